# One folder is one run: a second process is told to keep out, and two that start in the same second choose two folders.
. "${0%/*}/lib/common.sh"

# shellcheck disable=SC2086
"$mhc" train $tiny --out run --set train.steps=1000000 >first 2>&1 &
job=$!
while [ ! -s run/metrics.jsonl ] && kill -0 $job 2>/dev/null; do sleep 0.02; done
lines=$(wc -l <run/metrics.jsonl | tr -d ' ')
if command -v flock >/dev/null && flock -n probe flock -n probe true; then
    echo "no locks on this file system" >&2
else
    expect 1 train --quiet --resume run --set train.steps=1
    says err "run: another mhc is training here"
fi
# shellcheck disable=SC2086
expect 1 train $tiny --out run
says err "run: holds a run already"
kill -0 $job 2>/dev/null || fail "the first run: expected it to go on, found: $(cat first)"
[ "$(wc -l <run/metrics.jsonl | tr -d ' ')" -ge "$lines" ] || fail "metrics.jsonl: expected it to be left alone"
kill -9 $job
wait $job 2>/dev/null
# The lock goes with the process, however it ends.
# shellcheck disable=SC2086
expect 0 train --quiet --resume run --set train.steps=1

for i in 1 2 3; do
    # shellcheck disable=SC2086
    "$mhc" train $tiny --set train.steps=1 >"out$i" 2>&1 &
done
wait
[ "$(find runs -name config.yaml | wc -l | tr -d ' ')" = 3 ] || fail "three runs at once: expected three folders: $(ls runs) $(cat out1 out2 out3)"
[ "$(find runs -name model.safetensors | wc -l | tr -d ' ')" = 3 ] || fail "three runs at once: expected three checkpoints"
finish
