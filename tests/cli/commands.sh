# A tiny run from training to text.
. "${0%/*}/lib/common.sh"

for i in 1 2 3 4 5 6 7 8 9 10; do
    echo "The quick brown fox jumps over the lazy dog, $i times in all; then it sleeps."
done >book.txt

# The memory of a run, and nothing but that.
# shellcheck disable=SC2086
expect 0 train $tiny --data book.txt --out run --dry-run
for part in weights gradients optimizer streams activations backward workspace evaluation batch total; do
    says out "    $part "
done
[ -e run ] && fail "train --dry-run: expected no folder"
# shellcheck disable=SC2086
expect 0 train $tiny --data book.txt --out run --dry-run --set train.recompute=true --set train.recompute_sites=2
says out "recomputed 2 sites at a time"
# shellcheck disable=SC2086
expect 1 train $tiny --data no-such-file --dry-run

# shellcheck disable=SC2086
expect 0 train $tiny --data book.txt --out run --set train.steps=4 --set data.eval_share=0.2
says out "run: 4 steps, loss "
says out "Try: mhc sample run"
for file in config.yaml tokenizer.json metrics.jsonl checkpoints/step-00000004/model.safetensors; do
    [ -s "run/$file" ] || fail "run/$file is missing"
done
[ "$(wc -l <run/metrics.jsonl | tr -d ' ')" = 4 ] || fail "metrics.jsonl: expected 4 lines"
expect 0 config run/config.yaml

expect 0 eval run
says out "perplexity"
expect 0 eval run --data book.txt --batches 2
expect 0 eval run/checkpoints/step-00000004

# Longer than the window of 16 tokens; the same seed writes the same text, another one another.
expect 0 sample run --tokens 40 --prompt "The quick" --seed 7
cp out first
expect 0 sample run --tokens 40 --prompt "The quick" --seed 7
cmp -s out first || fail "sample: expected the same text from the same seed"
expect 0 sample run --tokens 40 --prompt "The quick" --seed 8
cmp -s out first && fail "sample: expected another text from another seed"
expect 0 sample run --tokens 20 --temperature 0 --prompt x
cp out first
expect 0 sample run --tokens 20 --top-k 1 --prompt x --seed 3
cmp -s out first || fail "sample: expected --top-k 1 to be --temperature 0"
expect 0 sample run --tokens 0 --prompt "The quick"
[ "$(cat out)" = "The quick" ] || fail "sample: expected the prompt alone"

expect 0 inspect run
says out "embed.token.weight"
expect 0 inspect run --h
says out "blocks.0.attn"
says out "Dynamic"
expect 0 inspect run/checkpoints/step-00000004/optimizer.safetensors

# What the probes see: of the held-out text, of another, at any thread count the same.
grep -q '"log_volume":' run/metrics.jsonl || fail "metrics.jsonl: expected what the probes measure"
expect 0 inspect run --probes --threads 1 --out probes.jsonl
says out "held-out tokens, loss "
for row in "Mixing matrices" "log_volume" "ln sigma 1 (differences)" "Before site" "H_res over H_pre" "backward "; do
    says out "$row"
done
grep -q '"metric":"site.from_permutation","mean":' probes.jsonl || fail "inspect --out: expected all values"
cp probes.jsonl one-thread
expect 0 inspect run/checkpoints/step-00000004 --probes --threads 2 --out probes.jsonl
cmp -s probes.jsonl one-thread || fail "inspect --probes: expected the same values with two threads"
expect 0 inspect run --probes --data book.txt --tokens 5
expect 2 inspect run --out probes.jsonl

# The character tokenizer has the characters of the text; a prompt of others is an error.
# shellcheck disable=SC2086
expect 0 train $tiny --data book.txt --out chars --set train.steps=1 --set data.tokenizer=char --set model.connection=residual
expect 0 sample chars --tokens 5 --prompt fox
expect 1 sample chars --tokens 5 --prompt "€"
says err "--prompt"
expect 0 inspect chars --h
says out "one stream"

# An endless source is evaluated for as many batches as training does, or as are asked for: of 2 rows of 16 tokens.
# shellcheck disable=SC2086
expect 0 train $tiny --set data.path=increment --out endless --set train.steps=2
expect 0 eval endless
says out "over 64 tokens"
expect 0 eval endless --batches 3
says out "over 96 tokens"

# Ctrl-C ends a text, and is told from its end.
rm -f out
(
    trap - INT
    set -m
    "$mhc" sample run --tokens 100000000 >out 2>err &
    job=$!
    while [ ! -s out ]; do sleep 0.02; done
    kill -INT $job
    wait $job
    echo $? >code
) 2>/dev/null
[ "$(cat code)" = 1 ] || fail "sample: expected exit code 1 after Ctrl-C, found $(cat code)"
says err "mhc: stopped after"

expect 0 data pack book.txt --out book.tokens
says out "book.tokens: "
cp book.txt book.copy
expect 1 data pack book.txt --out ./book.txt
says err "would overwrite the text"
cmp -s book.txt book.copy || fail "data pack --out TEXT: expected the text to be left alone"
mkdir books && cp book.txt books
expect 0 data pack books//
says out "books.tokens: "
# shellcheck disable=SC2086
expect 0 train $tiny --data book.tokens --out packed --set train.steps=1

# A run never overwrites another, and goes on for longer when asked to.
# shellcheck disable=SC2086
expect 0 train $tiny --data book.txt --out nothing --set train.steps=0
says out "train.steps is 0"
before=$(fingerprint run)
# shellcheck disable=SC2086
expect 1 train $tiny --data book.txt --out run --set train.steps=4
says err "--resume run"
[ "$before" = "$(fingerprint run)" ] || fail "train --out of another run: expected it to be left alone"
expect 0 train --quiet --resume run
says out "All of its steps were done before"
expect 0 train --quiet --resume run --set train.steps=6
says out "run: 6 steps"
[ "$(wc -l <run/metrics.jsonl | tr -d ' ')" = 6 ] || fail "metrics.jsonl: expected 6 lines"
finish
