# The same bits from every instruction set and thread count.   equal.sh PROGRAM
# PROGRAM prints checksums (tests/stream/fingerprint.c).
set -eu
program=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
OMP_WAIT_POLICY=passive
export OMP_WAIT_POLICY

MHC_ISA=scalar "$program" 1 >"$work/scalar"
[ -s "$work/scalar" ] || { echo "expected checksums from $program, found nothing" >&2; exit 1; }
failed=0
for isa in avx2 avx512 neon; do
    for threads in 1 3; do
        if ! MHC_ISA=$isa "$program" --has; then
            [ $threads = 1 ] && echo "$isa: not tried, this processor or this build does not have it"
            continue
        fi
        MHC_ISA=$isa "$program" $threads >"$work/other"
        if cmp -s "$work/scalar" "$work/other"; then
            [ $threads = 1 ] || echo "$isa: the same bits as scalar, with 1 and 3 threads"
        else
            echo "$isa, $threads threads: expected the bits of scalar, found other ones:" >&2
            diff "$work/scalar" "$work/other" | head -6 >&2
            failed=1
        fi
    done
done
exit $failed
