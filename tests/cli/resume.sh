# SIGTERM and SIGINT save; the run goes on to exactly the weights of one that was never stopped.
. "${0%/*}/lib/common.sh"

steps=200
# shellcheck disable=SC2086
expect 0 train $tiny --out whole --set train.steps=$steps --set model.dropout_output=0.1
final=$(printf 'checkpoints/step-%08d' $steps)

for signal in TERM INT; do
    # A job in the background ignores SIGINT in a shell without job control, so that INT is sent from a shell with one.
    rm -rf stopped
    # shellcheck disable=SC2086
    (
        trap - INT
        set -m
        "$mhc" train $tiny --out stopped --set train.steps=$steps --set model.dropout_output=0.1 2>err &
        job=$!
        while [ ! -s stopped/metrics.jsonl ] && kill -0 $job 2>/dev/null; do sleep 0.02; done
        kill -$signal $job
        wait $job
        echo $? >code
    ) 2>/dev/null
    if [ "$(cat code)" = 0 ]; then
        echo "SIG$signal came after the last step: nothing was stopped" >&2
        continue
    fi
    [ "$(cat code)" = 1 ] || fail "SIG$signal: expected exit code 1, found $(cat code)"
    says err "saved; go on with: mhc train --resume stopped"
    [ "$(wc -l <err | tr -d ' ')" = 1 ] || fail "SIG$signal: expected one line, found $(cat err)"
    [ -d "stopped/$final" ] && fail "SIG$signal: expected the run to stop before its end"
    first=$(head -n 1 stopped/metrics.jsonl)
    expect 0 train --quiet --resume stopped
    # Its time of the first step would be another if the run had begun anew.
    [ "$first" = "$(head -n 1 stopped/metrics.jsonl)" ] || fail "SIG$signal: expected the run to go on, not to start again"
    for file in model.safetensors optimizer.safetensors state.json; do
        cmp "whole/$final/$file" "stopped/$final/$file" || fail "SIG$signal: $file differs from the run without a stop"
    done
done
# A changed setting is told, a changed model is refused.
cp stopped/config.yaml original
sed 's/^  lr: .*/  lr: 0.005/' original >stopped/config.yaml
"$mhc" train --resume stopped --set train.steps=$((steps + 1)) >out 2>err || fail "another rate: expected the run to go on"
says err "train.lr: 0.001 before, 0.005 now"
sed 's/^  dropout_output: .*/  dropout_output: 0.2/' original >stopped/config.yaml
expect 1 train --quiet --resume stopped
says err "the model of a run that goes on can't change; model.dropout_output: 0.1 before, 0.2 now"
cp original stopped/config.yaml
# Killed while its first checkpoint was being written: the run begins again.
rm -rf stopped/checkpoints
mkdir -p stopped/checkpoints/step-00000002.tmp
expect 0 train --quiet --resume stopped
cmp "whole/$final/model.safetensors" "stopped/$final/model.safetensors" || fail "a run without a checkpoint: expected it to begin again"
finish
