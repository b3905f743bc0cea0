#!/bin/sh
# libmhc shows every function that include/mhc declares with MHC_API, and nothing else.   symbols.sh LIBMHC.so
set -eu
library=$1
command -v nm >/dev/null || exit 77
case $(uname) in Darwin) exit 77 ;; esac

shown=$(nm -D --defined-only "$library" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort -u)
declared=$(cat include/mhc/*.h | tr '\n' ' ' | tr ';' '\n' | sed -n 's/.*MHC_API [^(]*[ *]\(mhc_[a-z0-9_]*\)(.*/\1/p' | sort -u)
[ -n "$declared" ] || { echo "found no MHC_API in include/mhc"; exit 1; }

status=0
for name in $shown; do
    echo "$declared" | grep -qx "$name" || { echo "shown, but not in include/mhc: $name"; status=1; }
done
for name in $declared; do
    echo "$shown" | grep -qx "$name" || { echo "in include/mhc, but not in the library: $name"; status=1; }
done
echo "$(echo "$declared" | wc -l) functions declared, $(echo "$shown" | wc -l) shown"
exit $status
