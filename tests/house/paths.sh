#!/bin/sh
# No file names a place on somebody's machine, and no source file has grown past what a reader takes in.
set -eu
status=0
if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    files=$(git ls-files)
else
    files=$(find . -path ./build -prune -o -path ./runs -prune -o -type f -print | sed 's|^\./||')
fi
sources=$(echo "$files" | grep -E '\.(c|h|cu|cc|sh|awk|md|cmake|in|txt|json|ya?ml)$|^run$|^\.ci/run$' | grep -v '^tests/house/paths.sh$')

for file in $sources; do
    [ -f "$file" ] || continue
    if grep -nE '(^|[^A-Za-z0-9_.~-])/(root|home/[a-z]+|work|Users/[A-Za-z]+)/|"/tmp/' "$file" /dev/null; then
        echo "$file: a path of one machine"
        status=1
    fi
    case $file in
    *.c | *.h | *.cu | *.cc)
        lines=$(wc -l <"$file")
        if [ "$lines" -gt 700 ]; then
            echo "$file: $lines lines, at most 700: split it"
            status=1
        fi
        ;;
    esac
done
exit $status
