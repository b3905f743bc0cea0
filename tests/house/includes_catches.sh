#!/bin/sh
# The check of includes finds what it is there to find.   includes_catches.sh SCRATCH
set -eu
check=$PWD/tests/house/includes.sh
scratch=$1
rm -rf "$scratch"
mkdir -p "$scratch/src/low" "$scratch/src/high" "$scratch/include/mhc" "$scratch/cli"
cd "$scratch"
printf 'mhc_module(low LIBRARY)\nmhc_module(high DEPENDS low)\n' >CMakeLists.txt
echo '#include "mhc/a.h"' >src/low/low.c
echo '#include "low/low.h"' >src/high/high.c
echo '#include "low/low.h"' >src/low/low.cu
echo '#include "high/high.h"' >cli/main.c
echo '#include "mhc/b.h"' >include/mhc/a.h
sh "$check" "$scratch" >/dev/null || { echo "a good tree was refused"; exit 1; }

# FILE LINE: with this include added, the check must fail.
refuses() {
    cp "$1" saved
    printf '%s\n' "$2" >>"$1"
    if sh "$check" "$scratch" >/dev/null; then
        echo "not caught: $2 in $1"
        exit 1
    fi
    mv saved "$1"
}
refuses src/low/low.c '#include "high/high.h"'
refuses src/low/low.c '  #  include "high/deep/er.h"'
refuses src/low/low.cu '#include "high/high.h"'
refuses src/high/high.c '#include "cli/main.h"'
refuses src/high/high.c '#include "unknown/x.h"'
refuses src/high/high.c '#include "neighbour.h"'
refuses include/mhc/a.h '#include "low/low.h"'
echo "seven wrong includes, seven caught"
