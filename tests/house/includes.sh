#!/bin/sh
# Imports go one way: a file may include its own module and those before it. The order is that of the mhc_module() lines
# of CMakeLists.txt, with cli last; the public headers (mhc/...) are below all and include only each other.
#   includes.sh [ROOT]
set -eu
cd "${1:-.}"

order=$(sed -n 's/^mhc_module(\([a-z_]*\).*/\1/p' CMakeLists.txt | tr '\n' ' ')
folders=
for folder in include src cli tests bench examples fuzz; do
    if [ -d "$folder" ]; then
        folders="$folders $folder"
    fi
done

# shellcheck disable=SC2086,SC2016 # a list of folders; awk's dollars
find $folders \( -name '*.[ch]' -o -name '*.cu' -o -name '*.cc' \) -type f | sort | xargs awk -v order="$order" '
BEGIN {
    modules = split(order "cli", name, " ")
    for (i = 1; i <= modules; i++)
        level[name[i]] = i
    level["mhc"] = 0
}
FNR == 1 {
    files++
    parts = split(FILENAME, part, "/")
    own = 1000                                  # bench and fuzz may use everything
    self = part[2]
    if (part[1] == "include")
        own = 0
    else if (part[1] == "cli")
        self = "cli"
    else if (part[1] == "examples")
        own = 0                                 # an example is a user: public headers alone
    if ((part[1] == "src" || part[1] == "tests" || part[1] == "cli")) {
        if (self in level)
            own = level[self]
        else if (part[1] == "src") {
            printf "%s: src/%s is not a module of CMakeLists.txt\n", FILENAME, self
            bad++
        }
    }
}
/^[ \t]*#[ \t]*include[ \t]*"/ {
    split($0, quoted, "\"")
    path = quoted[2]
    target = path
    sub("/.*", "", target)
    if (path !~ /\// && part[1] != "src" && part[1] != "include")
        next                                    # a neighbour in the same folder
    includes++
    if (part[1] == "tests" && target == self)
        next                                    # tests/NAME/ or src/NAME/: both are its own
    if (!(target in level)) {
        printf "%s:%d: \"%s\": expected a path that starts with a module or mhc/\n", FILENAME, FNR, path
        bad++
    } else if (level[target] > own) {
        printf "%s:%d: \"%s\": %s is above %s in the house\n", FILENAME, FNR, path, target, own ? self : part[1]
        bad++
    }
}
END {
    if (!modules || !includes) {
        printf "expected modules and includes, found %d and %d\n", modules, includes
        bad++
    }
    printf "%d includes in %d files, %d against the order %scli\n", includes, files, bad, order
    exit bad > 0
}'
