#!/bin/sh
# Tests and times on this machine's GPU; `./run bench --gpu` builds what it needs.
#   run.sh BUILD [--no-tests] [OPTION of bench_gpu...]
# Where compute-sanitizer is, the tests run once more under memcheck, racecheck and synccheck; where python3 (or PYTHON) has torch
# with CUDA, the same site in PyTorch is timed as well, eager and compiled, and that of Liger-Kernel where it can be imported.
# Leaves with 77 where there is no device.
set -eu
build=$1
shift
tests=yes csv=no
options=
channels=1280,2560,4096,7168 tokens=1,128,4096,16384
while [ $# -gt 0 ]; do
    case $1 in
    --no-tests) tests=no ;;
    --csv) csv=yes options="$options --csv" ;;
    --channels) channels=${2:?--channels: expected a list} && shift ;;
    --tokens) tokens=${2:?--tokens: expected a list} && shift ;;
    --preset | --rounds) options="$options $1 ${2:?$1: expected a value}" && shift ;;
    *) exec "$build/bench_gpu" "$1" ;; # help, or what is wrong with it
    esac
    shift
done

# Titles go to standard error, so that with --csv standard output holds tables alone.
title() { printf '\n== %s\n' "$*" >&2; }

# Prints the line that says so, where there is none.
"$build/bench_gpu" --probe || exit $?

if [ $tests = yes ]; then
    for test in "$build"/test_*_cuda_*; do
        title "$(basename "$test")"
        "$test" >&2
        command -v compute-sanitizer >/dev/null || continue
        for tool in memcheck racecheck synccheck; do
            title "$(basename "$test") under compute-sanitizer --tool $tool"
            compute-sanitizer --tool $tool --error-exitcode 1 "$test" >&2
        done
    done
    command -v compute-sanitizer >/dev/null || title "compute-sanitizer is not here: memcheck, racecheck and synccheck skipped"
fi

title "operations of libmhc"
# shellcheck disable=SC2086 # a list of words
"$build/bench_gpu" $options --channels "$channels" --tokens "$tokens"

python=${PYTHON:-python3}
if "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
    title "a site in PyTorch"
    comma=
    [ $csv = no ] || comma=--csv
    "$python" bench/gpu/torch_site.py $comma --channels "$channels" --tokens "$tokens"
else
    title "$python has no torch with CUDA: PyTorch skipped (PYTHON names another)"
fi
