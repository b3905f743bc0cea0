#!/bin/sh
# What `cmake --install` makes of this build: the program runs from there, and nothing is missing.
#   program.sh SCRATCH BUILD CMAKE
set -eu
scratch=$1 build=$2 cmake=$3
unset DESTDIR
rm -rf "$scratch"
mkdir -p "$scratch"
"$cmake" --install "$build" --prefix "$scratch" >"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }
"$scratch/bin/mhc" --version
for name in mhc.h libmhc.a mhc.pc mhcConfig.cmake mhcConfigVersion.cmake LICENSE; do
    find "$scratch" -name "$name" | grep -q . || { echo "not installed: $name"; exit 1; }
done
