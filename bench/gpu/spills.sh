#!/bin/sh
# The kernels that are tuned keep everything in registers: fails where ptxas reports a spill of one of them, or does not
# know it.   spills.sh REPORTS [ARCHITECTURE]
# REPORTS: the folder of the objects, with what ptxas said of them (cmake/ptxas_report.sh). Kernels that are not named
# here may use local memory: those with a token's constraint in a thread do so by design.
set -eu
reports=$1 architecture=${2:-sm_90a}

# FILE KERNEL[:VARIANT]..., VARIANT as its mangled name begins. The gradients of fp32 streams, which need three parts of
# everything and twice the registers for what is loaded, do spill.
tuned() {
    cat <<'TABLE'
src/stream/expand/expand.cu          expand expand_back
src/stream/merge/merge.cu            merge_packed
src/stream/merge/merge_back.cu       merge_back
src/stream/pre/collapse.cu           collapse copy_first
src/stream/pre/collapse_rmsnorm.cu   collapse_rmsnorm
src/stream/pre/pre_pipeline.cu       pre_pipeline
src/stream/pre/pre_few.cu            pre_few
src/stream/pre/pre_back_pipeline.cu  pre_back_pipeline:I9mhc__bf16 pre_back_pipeline:I9mhc__fp16
TABLE
}

status=0
tuned | {
    while read -r file kernels; do
        report=$reports/$file.o.ptxas
        [ -s "$report" ] || { echo "expected $report, found none"; exit 1; }
        for entry in $kernels; do
            kernel=${entry%%:*} variant=
            [ "$kernel" = "$entry" ] || variant=${entry#*:}
            # names are mangled: their length stands before them
            awk -v name="${#kernel}$kernel$variant" -v file="$file" -v plain="$kernel" -v architecture="'$architecture'" '
                /Compiling entry function/ { own = index($0, name) > 0 && index($0, architecture) > 0 }
                own && /bytes spill stores/ {
                    found++
                    for (i = 2; i <= NF; i++)
                        if ($i == "bytes" && $(i + 1) == "spill")
                            bytes += $(i - 1)
                }
                own && /Used [0-9]+ registers/ {
                    match($0, /Used [0-9]+/)
                    used = substr($0, RSTART + 5, RLENGTH - 5) + 0
                    most = used > most ? used : most
                    own = 0
                }
                END {
                    printf "%-36s %-16s %d variants, at most %d registers, %d bytes spilled\n", file, plain, found, most, bytes
                    exit found == 0 || bytes > 0
                }' "$report" || status=1
        done
    done
    [ "$status" = 0 ] || echo "a kernel above spills, or is not there"
    exit "$status"
}
