# A run watched: lines where there is no terminal, the picture where there is one, and the terminal as it was afterwards.
. "${0%/*}/lib/common.sh"

# shellcheck disable=SC2086
expect 0 train $tiny --out run --set train.steps=6 --set data.path=increment
expect 0 watch run
says out "step 6/6  loss "
says out "finished"
[ "$(wc -l <out | tr -d ' ')" = 1 ] || fail "watch: expected one line, found $(cat out)"

# Of a run that has not ended, once; of one that has not begun.
head -n 3 run/metrics.jsonl >some && mv some run/metrics.jsonl
printf '{"step":3,"lo' >>run/metrics.jsonl
expect 0 watch run --once
says out "step 3/6"
mkdir young
expect 0 watch young --once
says out "no step yet"
expect 1 watch nowhere
says err "nowhere: expected the folder of a training run"
expect 2 watch

# Lines come as the file grows, also when it is another one; the last step ends it.
"$mhc" watch run >grown 2>err &
job=$!
for step in 3 4 5; do
    sleep 0.4
    [ $step = 3 ] && printf 'ss":7.5,"seconds":0.1}\n' >>run/metrics.jsonl && continue
    { cat run/metrics.jsonl && printf '{"step":%d,"loss":%d,"seconds":0.1}\n' $step $step; } >other && mv other run/metrics.jsonl
done
wait $job || fail "watch: expected exit code 0 after the last step"
grep -q "step 6/6  loss 5" grown || fail "watch: expected the last step, found $(cat grown)"

# SIGINT and SIGTERM leave.
head -n 3 run/metrics.jsonl >some && mv some run/metrics.jsonl
"$mhc" watch run >grown 2>err &
job=$!
sleep 0.5
kill -TERM $job
wait $job || fail "watch: expected exit code 0 after SIGTERM, found $?: $(cat err)"

# On a terminal.
command -v script >/dev/null && script -qec true /dev/null >/dev/null 2>&1 </dev/null || {
    echo "script(1) of util-linux is not here: the terminal is not tested"
    finish
}
keys() { sleep 1.5 && printf q && sleep 1; }
keys | script -qec "stty rows 30 cols 70; stty -g >before; '$mhc' watch run; echo code \$? >code; stty -g >after" typescript \
    >/dev/null 2>&1
[ "$(cat code)" = "code 0" ] || fail "watch on a terminal: expected code 0, found $(cat code)"
cmp -s before after || fail "watch: expected the terminal's settings as they were"
escape=$(printf '\033')
for part in "$escape[?1049h" "$escape[?25l" "step 3/6" "loss" "$escape[?25h" "$escape[?1049l"; do
    grep -F -q -e "$part" typescript || fail "watch on a terminal: expected $part"
done
finish
