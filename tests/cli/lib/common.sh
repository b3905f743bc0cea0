# Shared by the tests of the program. Sourced with the path of the program as $1.
set -u
mhc=${1:-${MHC_BINARY:-}}
if [ -z "$mhc" ] || [ ! -x "$mhc" ]; then
    echo "expected the path of the mhc program, found \"$mhc\"" >&2
    exit 1
fi
case $mhc in
/*) ;;
*) mhc=$PWD/$mhc ;;
esac
# One thread: the models are tiny, and results don't depend on it.
OMP_NUM_THREADS=1
export OMP_NUM_THREADS
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP
cd "$work" || exit 1
failures=0

fail() {
    echo "FAILED: $*" >&2
    failures=$((failures + 1))
}

# expect CODE WORDS... : runs mhc WORDS; stdout is left in out, stderr in err. Nothing may be printed on stderr when CODE
# is 0, exactly one line otherwise.
expect() {
    wanted=$1
    shift
    "$mhc" "$@" >out 2>err
    code=$?
    lines=$(wc -l <err | tr -d ' ')
    [ "$code" = "$wanted" ] || fail "mhc $*: expected exit code $wanted, found $code: $(cat err)"
    if [ "$wanted" = 0 ]; then
        [ "$lines" = 0 ] || fail "mhc $*: expected nothing on stderr, found: $(cat err)"
    else
        [ "$lines" = 1 ] || fail "mhc $*: expected one line on stderr, found $lines: $(cat err)"
    fi
}

# says FILE TEXT: the file (out or err) of the last expect contains the text.
says() {
    grep -F -q -e "$2" "$1" || fail "expected \"$2\" in: $(cat "$1")"
}

# A model that trains in no time.
tiny="--quiet --set model.channels=16 --set model.blocks=2 --set model.heads=2 --set model.sequence=16
 --set train.batch=2 --set train.eval_batches=2 --set train.warmup=2"

# A checksum of every file below a folder, to see that nothing has changed.
fingerprint() {
    (cd "$1" && find . -type f | LC_ALL=C sort | while read -r name; do cksum "$name"; done)
}

finish() {
    [ "$failures" = 0 ] && exit 0
    echo "$failures failed" >&2
    exit 1
}
