# SIGTERM, SIGINT and SIGHUP save; the run goes on to exactly the weights of one that was never stopped.
. "${0%/*}/lib/common.sh"

steps=200
# shellcheck disable=SC2086
expect 0 train $tiny --out whole --set train.steps=$steps --set model.dropout_output=0.1
final=$(printf 'checkpoints/step-%08d' $steps)

for signal in TERM INT HUP; do
    # A job in the background ignores SIGINT in a shell without job control, so that INT is sent from a shell with one.
    rm -rf stopped
    # shellcheck disable=SC2086
    (
        trap - INT HUP
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
# So is another seed, which would change the order of the data and not the weights it began with.
cp original stopped/config.yaml
expect 1 train --quiet --resume stopped --set train.seed=7
says err "train.seed: 42 before, 7 now"
sed 's/^  seed: .*/  seed: 8/' original >stopped/config.yaml
expect 1 train --quiet --resume stopped
says err "train.seed: 42 before, 8 now"
cp original stopped/config.yaml
# And a text that has changed, unless it is named.
printf 'A text of one hundred and some more bytes, which somebody edits while the run is away: %s\n' one two three >text
# shellcheck disable=SC2086
expect 0 train $tiny --data text --out edited --set train.steps=2 --set data.eval_share=0.2
expect 0 train --quiet --resume edited --set train.steps=3
sed 's/edits/reads/' text >other && mv other text
expect 1 train --quiet --resume edited --set train.steps=4
says err "the text has changed"
expect 0 train --quiet --resume edited --set train.steps=4 --data text
expect 0 train --quiet --resume edited --set train.steps=5
# A run without its checkpoints' folder begins again; one whose folder can't be read is an error, and loses nothing.
before=$(fingerprint edited)
mv edited/checkpoints away
ln -s checkpoints edited/checkpoints
expect 1 train --quiet --resume edited
says err "edited/checkpoints: can't open the folder"
rm edited/checkpoints
mv away edited/checkpoints
[ "$before" = "$(fingerprint edited)" ] || fail "a folder that can't be read: expected the run to be left alone"
# Under nohup a terminal that closes means nothing.
(
    trap '' HUP
    # shellcheck disable=SC2086
    "$mhc" train $tiny --out nohup --set train.steps=$steps >out 2>err &
    job=$!
    while [ ! -s nohup/metrics.jsonl ] && kill -0 $job 2>/dev/null; do sleep 0.02; done
    kill -HUP $job 2>/dev/null
    wait $job
    echo $? >code
)
[ "$(cat code)" = 0 ] || fail "SIGHUP under nohup: expected exit code 0, found $(cat code): $(cat err)"
# Killed while its first checkpoint was being written: the run begins again.
rm -rf stopped/checkpoints
mkdir -p stopped/checkpoints/step-00000002.tmp
expect 0 train --quiet --resume stopped
cmp "whole/$final/model.safetensors" "stopped/$final/model.safetensors" || fail "a run without a checkpoint: expected it to begin again"
finish
