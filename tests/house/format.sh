#!/bin/sh
# clang-format agrees with every file of C, C++ and CUDA. Versions differ in details: the one of Debian 12 (14) is the one that counts.
set -eu
tool=$(command -v clang-format-14 || command -v clang-format || true)
if [ -z "$tool" ]; then
    echo "clang-format is not here: skipped (./run deps --all installs it)"
    exit 77
fi
version=$("$tool" --version | sed -n 's/.*version \([0-9]*\).*/\1/p')
if [ "$version" != 14 ]; then
    echo "clang-format $version is here, 14 is expected: skipped"
    exit 77
fi
find include src cli tests bench examples \( -name '*.[ch]' -o -name '*.cu' -o -name '*.cc' \) -type f 2>/dev/null | sort | xargs "$tool" --dry-run --Werror
