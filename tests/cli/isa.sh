# A training run ends with the same bits whatever the instruction set of the connection's kernels and the thread count.
. "${0%/*}/lib/common.sh"

sum_of_run() { # ISA THREADS CONNECTION: checksum of the weights after a run
    rm -rf run
    # shellcheck disable=SC2086 # words
    MHC_ISA=$1 OMP_NUM_THREADS=$2 OMP_WAIT_POLICY=passive "$mhc" train --out run $tiny --set train.steps=50 \
        --set model.connection="$3" >/dev/null 2>&1
    cksum <"$(find run -name model.safetensors | tail -n 1)"
}

for connection in paper reproducing-mhc; do
    scalar=$(sum_of_run scalar 1 $connection)
    [ -n "$scalar" ] || fail "$connection: expected weights of a run with MHC_ISA=scalar, found none"
    for isa in avx512 avx2 neon; do
        "$mhc" doctor | grep -q "chosen of.* $isa" || continue
        for threads in 1 2; do
            [ "$(sum_of_run $isa $threads $connection)" = "$scalar" ] ||
                fail "$connection: expected the weights of scalar code, found others with $isa and $threads threads"
        done
    done
done
MHC_ISA=sse9 "$mhc" doctor >out 2>err
says err "warning: MHC_ISA: expected avx512, avx2, neon or scalar; it is ignored"
finish
