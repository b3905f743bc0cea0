# kill -9 at random moments of a run that saves every other step: each time it goes on, and ends with the weights of a run
# that was never killed. MHC_KILLS says how often (default 5).
. "${0%/*}/lib/common.sh"

kills=${MHC_KILLS:-5}
steps=40
final=$(printf 'checkpoints/step-%08d' $steps)
settings="$tiny --set train.steps=$steps --set train.checkpoint_every=2 --set train.eval_every=7 --set model.dropout_output=0.1"

milliseconds() {
    now=$(date +%s%N)
    case $now in
    *N) echo $((${now%N} * 1000)) ;;
    *) echo $((now / 1000000)) ;;
    esac
}

# One line per step without what a clock has measured.
losses() {
    sed 's/"seconds[a-z_]*":[^,}]*//g' "$1/metrics.jsonl"
}

start=$(milliseconds)
# shellcheck disable=SC2086
expect 0 train $settings --out whole
length=$(($(milliseconds) - start))
[ "$length" -gt 0 ] || length=1

hits=0
round=1
while [ $round -le "$kills" ]; do
    rm -rf killed
    attempt=0
    # The first attempt starts the run, the second goes on with it, and is killed as well.
    while [ $attempt -lt 2 ]; do
        if [ -f killed/config.yaml ]; then
            "$mhc" train --quiet --resume killed >out 2>err &
        else
            # shellcheck disable=SC2086
            "$mhc" train $settings --out killed >out 2>err &
        fi
        job=$!
        random=$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')
        sleep "$(awk "BEGIN { printf \"%.3f\", $length * $random / 65536 / 1000 }")"
        kill -9 $job 2>/dev/null && [ ! -d "killed/$final" ] && hits=$((hits + 1))
        wait $job 2>/dev/null
        attempt=$((attempt + 1))
    done
    if [ -f killed/config.yaml ]; then
        expect 0 train --quiet --resume killed
    else
        # shellcheck disable=SC2086
        expect 0 train $settings --out killed
    fi
    for file in model.safetensors optimizer.safetensors state.json; do
        cmp "whole/$final/$file" "killed/$final/$file" || fail "round $round: $file differs from the run without a kill"
    done
    [ "$(losses whole)" = "$(losses killed)" ] || fail "round $round: metrics.jsonl differs from the run without a kill"
    round=$((round + 1))
done
echo "$kills runs, $hits kills in the middle, $length ms uninterrupted: all end with the same bits"
finish
