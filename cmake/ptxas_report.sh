#!/bin/sh
# Runs a compiler; what ptxas tells of each kernel goes to OBJECT.ptxas instead of the screen, for bench/gpu/spills.sh.
#   ptxas_report.sh COMPILER ARGUMENT... -o OBJECT ARGUMENT...
set -u
object='' last=''
for argument; do
    [ "$last" != -o ] || object=$argument
    last=$argument
done
status=0
"$@" 2>"$object.ptxas" || status=$?
grep -v -e '^ptxas info' -e '^ *[0-9]* bytes stack frame' "$object.ptxas" >&2
exit $status
