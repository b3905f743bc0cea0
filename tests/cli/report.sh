# Reports of runs: one, several side by side, a folder of them; what is said where there is none.
. "${0%/*}/lib/common.sh"

for connection in residual paper; do
    # shellcheck disable=SC2086
    expect 0 train $tiny --out "runs/$connection" --set train.steps=12 --set train.eval_every=4 --set data.path=builtin \
        --set data.eval_share=0.2 --set model.connection=$connection
done

# report [ARGUMENTS]: pictures need gnuplot, whose absence is a note on stderr.
report() {
    "$mhc" report "$@" >out 2>err || fail "report $*: $(cat err)"
}

report runs/paper
[ "$(cat out)" = runs/paper/report/index.html ] || fail "report: expected the path of the page, found $(cat out)"
says runs/paper/report/index.html "<h1>Run paper</h1>"
says runs/paper/report/index.html "12 of 12"
says runs/paper/report/index.html "mhc report runs/paper --out runs/paper/report"
says runs/paper/report/report.md "connection: paper"
says runs/paper/report/table.tsv "Held-out loss"
for name in index.html report.md; do
    grep -q -e 'https\{0,1\}://' -e '<script' "runs/paper/report/$name" && fail "$name: expected nothing from elsewhere"
done
head -n 1 runs/paper/report/progress.tsv | grep -q "^step	paper" || fail "progress.tsv: expected steps and the run's name"
[ "$(sed -n '13p' runs/paper/report/progress.tsv | cut -f 1)" = 11 ] || fail "progress.tsv: expected the last step in line 13"

# A number that hardly changes is not drawn as a slope; one that does has the range it needs.
axis() { # FILE TITLE: the range of that panel
    awk -v title="set title \"$2\"" '/^set yrange/ { range = $3 } index($0, title) == 1 { print range }' "$1"
}
range=$(axis runs/paper/report/others1.gp amax_gain_forward)
case $range in
'[0.9995'*:1.0005*']' | '[0.9994'*:1.0004*']') ;;
*) fail "amax_gain_forward is 1 but for rounding: expected an axis of 0.001 around it, found $range" ;;
esac
[ "$(axis runs/paper/report/progress.gp "Training loss")" = "[*:*]" ] || fail "expected the loss to have an axis of its own"

report runs/residual runs/paper/ --out both
says both/index.html "2 runs side by side"
says both/index.html "on the same batches"
says both/index.html "model.connection"
grep -q "train.steps" both/report.md && fail "expected no setting that is the same"
if command -v gnuplot >/dev/null; then
    says both/index.html '<use href="#plot-progress"/>'
    [ -s both/progress.png ] || fail "expected a picture"
    [ ! -s err ] || fail "expected nothing on stderr, found $(cat err)"
fi

# A folder of runs; names that end alike are told apart.
mkdir more && cp -r runs/paper more/paper
report runs more
says out runs/report/index.html
says runs/report/index.html "more/paper"
report runs
says out runs/report-of-runs/index.html

# A run that still trains, one cut in a line, one whose configuration is of another version.
printf '{"step":12,"lo' >>more/paper/metrics.jsonl
printf 'nonsense\n' >>more/paper/metrics.jsonl
printf 'model:\n  nonsense: 1\n' >more/paper/config.yaml
report more/paper
says more/paper/report/index.html "could not be read"
says more/paper/report/index.html "nonsense"
says more/paper/report/index.html "1 lines of"

# Without gnuplot the page says so; the data are there.
mkdir empty
PATH=$work/empty "$mhc" report runs/paper --out bare >out 2>err || fail "without gnuplot: $(cat err)"
says err "gnuplot is not installed"
says bare/index.html "is not drawn"
[ -s bare/progress.tsv ] || fail "without gnuplot: expected the data"

expect 1 report nowhere
says err "nowhere: expected a run's folder"
expect 1 report empty
says err "empty: expected a run's folder"
mkdir none && : >none/metrics.jsonl
expect 1 report none
says err "expected steps, found none"
expect 2 report
finish
