# Studies of a checkpoint and of steps, from the command line: what they leave, and one line for wrong use.
. "${0%/*}/lib/common.sh"

for i in 1 2 3 4 5 6 7 8 9 10; do
    echo "The quick brown fox jumps over the lazy dog, $i times in all; then it sleeps."
done >book.txt
# shellcheck disable=SC2086
expect 0 train $tiny --data book.txt --out run --set train.steps=4 --set data.eval_share=0.2

# A study tells what it does on stderr.
study() {
    "$mhc" study "$@" >out 2>err || fail "mhc study $*: expected success, found: $(cat err)"
}

study intervene --set study.checkpoint=run --out looked
says err "report: looked/report/index.html"
[ "$(wc -l <looked/checkpoint/interventions.jsonl | tr -d ' ')" = 28 ] || fail "expected 28 lines of results"
study intervene --set study.checkpoint=run/checkpoints/step-00000004 --out looked --quiet
grep -q "H_post" looked/report/table.tsv || fail "table.tsv: expected a row for H_post"
expect 1 study intervene --set study.checkpoint=no-such-folder --out other
expect 2 study intervene --set study.checkpoint=run --set model.blocks=3 --out other
says err "study.checkpoint has its own"
expect 1 study intervene --set study.batches=many --out other
[ -e other/report ] && fail "wrong use: expected no report"

study overhead --steps 1 --set study.channels=8,16 --set study.streams=2 --set model.blocks=1 --set train.batch=1 --out cost
[ "$(wc -l <cost/cells.jsonl | tr -d ' ')" = 7 ] || fail "cells.jsonl: expected 7 lines"
expect 2 study overhead --data book.txt --out cost
says err "made up"

expect 1 study ablation --set data.eval_share=0 --out none
says err "held-out"
# Rates are chosen on the first seed, results are those of the seeds after it, and a second run takes them up.
all="study constraints --data book.txt --steps 5 --seeds 3 --quiet --set data.eval_share=0.2 --set model.channels=16 --set model.heads=2
    --set model.ffn=32 --set model.blocks=2 --set model.sequence=16 --set train.batch=2"
for time in first second; do
    # shellcheck disable=SC2086
    $all --set study.rates=1e-3,1e-2 --set study.connections=residual,residual-wide,identity,sinkhorn,orthogonal --out fair
done
[ "$(grep -c "done before" err)" = 25 ] || fail "constraints: expected 10 short and 15 long runs to be taken up"
for file in report/index.html report/table.md report/rates.tsv report/constraints_differences.tsv \
    report/constraints_costs.tsv rate-0.01-sinkhorn-seed42/held-out.json residual-wide-seed45/held-out.json; do
    [ -s "fair/$file" ] || fail "constraints: $file is not there"
done
grep -q "Holm" fair/report/index.html || fail "constraints: the page does not say how differences were counted"
expect_wrong() { # SETTING WORDS
    # shellcheck disable=SC2086
    expect 1 $all --set "$1" --out none
    says err "$2"
}
expect_wrong study.rates=1e-2,1e-3 "study.rates: expected rising numbers"
expect_wrong study.rates=fast "study.rates: expected a number"
expect_wrong study.off_diagonal=1.5 "study.off_diagonal: expected a number between 0 and 1"
expect_wrong data.eval_share=0 "data.eval_share: expected more than 0"
for name in ablation constraints intervene overhead; do
    expect 0 help study
    says out "$name: "
done
finish
