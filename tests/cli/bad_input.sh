# Bad input: one clear line, exit code 1 or 2, and nothing destroyed.
. "${0%/*}/lib/common.sh"

config_refused() {
    printf "$1" >bad.yaml
    expect 1 config bad.yaml
    says err "$2"
    expect 1 train bad.yaml --out never
    says err "$2"
    [ -e never ] && fail "train with a bad configuration: expected no folder"
}

config_refused 'model:\n  blocs: 2\n' "bad.yaml:2: model.blocs: unknown field; did you mean model.blocks?"
config_refused 'model:\n  blocks: two\n' "bad.yaml:2: model.blocks: expected an integer"
config_refused 'model:\n  blocks: 2\n  streams: 0\n' "bad.yaml:3: model.streams: 0 is not in 1..32"
config_refused '' "bad.yaml: the file is empty"
config_refused 'model: [\n' "bad.yaml:"
expect 1 config missing.yaml
says err "missing.yaml"
expect 1 config .
expect 2 train --set model.streams=0 --out never
says err "--set model.streams=0: model.streams: 0 is not in 1..32"

# Texts.
: >empty.txt
printf 'caf\351 is Latin-1, and this line is long enough for a row of a tiny model. %s\n' 1 2 3 4 5 6 >latin1.txt
printf 'short' >short.txt
# shellcheck disable=SC2086
{
    expect 1 train $tiny --out never --data missing.txt
    says err "missing.txt"
    expect 1 train $tiny --out never --data empty.txt
    says err "empty.txt"
    expect 1 train $tiny --out never --data short.txt
    says err "short.txt"
    expect 1 train $tiny --out never --data latin1.txt --set data.tokenizer=char
    says err "latin1.txt"
    expect 1 train $tiny --out never --data latin1.txt --set data.tokenizer=gpt2
    expect 1 train $tiny --out never --set model.vocabulary=7
    says err "model.vocabulary"
}
[ -e never ] && fail "training on a bad text: expected no folder"

# Checkpoints. Every damage is done to a copy; the run goes on from its last whole checkpoint, or says what is wrong, and
# changes nothing.
# shellcheck disable=SC2086
expect 0 train $tiny --out good --set train.steps=4
newest=checkpoints/step-00000004

refused() {
    before=$(fingerprint bad)
    for words in "train --quiet --resume bad --set train.steps=5" "eval bad" "sample bad" "$@"; do
        # shellcheck disable=SC2086
        expect 1 $words
    done
    [ "$before" = "$(fingerprint bad)" ] || fail "a damaged checkpoint: expected the folder to be left alone"
}

damage() {
    rm -rf bad
    cp -R good bad
}

for name in model.safetensors optimizer.safetensors; do
    size=$(wc -c <"good/$newest/$name" | tr -d ' ')
    for keep in 0 7 100 $((size / 2)) $((size - 1)); do
        damage
        dd if="good/$newest/$name" of="bad/$newest/$name" bs=1 count="$keep" 2>/dev/null
        if [ $name = model.safetensors ]; then
            refused "inspect bad"
        else
            expect 1 train --quiet --resume bad --set train.steps=5
        fi
    done
done

# A flipped bit in the weights.
damage
size=$(wc -c <"bad/$newest/model.safetensors" | tr -d ' ')
byte=$(od -An -tu1 -j $((size - 100)) -N 1 "bad/$newest/model.safetensors" | tr -d ' ')
flipped=$(printf '%03o' $((byte ^ 64)))
printf "\\$flipped" | dd of="bad/$newest/model.safetensors" bs=1 seek=$((size - 100)) conv=notrunc 2>/dev/null
refused

# A checkpoint of another shape.
# shellcheck disable=SC2086
expect 0 train $tiny --out wide --set train.steps=1 --set model.channels=24
damage
cp "wide/checkpoints/step-00000001/model.safetensors" "bad/$newest/model.safetensors"
refused

for name in config.json state.json; do
    damage
    printf '{"model": ' >"bad/$newest/$name"
    refused
done
damage
printf '[]' >bad/tokenizer.json
refused
damage
rm -r "bad/$newest"
mkdir "bad/$newest"
refused

# A full disk: what was saved survives, and the run goes on once there is room.
damage
before=$(fingerprint bad/checkpoints)
(
    ulimit -f 16
    expect 1 train --quiet --resume bad --set train.steps=6
    [ "$failures" = 0 ]
) || failures=$((failures + 1))
[ "$before" = "$(fingerprint bad/checkpoints)" ] || fail "a full disk: expected the old checkpoint to survive as it was"
expect 0 train --quiet --resume bad --set train.steps=6

# A folder that can't be written. Root can write everywhere, but not below a file.
: >file
# shellcheck disable=SC2086
expect 1 train $tiny --out file/run --set train.steps=1
says err "file: expected a folder"
if [ "$(id -u)" != 0 ]; then
    mkdir locked && chmod 555 locked
    # shellcheck disable=SC2086
    expect 1 train $tiny --out locked/run --set train.steps=1
    chmod 755 locked
fi
printf 'not safetensors at all' >garbage
expect 1 inspect garbage
expect 1 check garbage
expect 1 check empty.txt
finish
