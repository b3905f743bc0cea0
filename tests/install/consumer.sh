#!/bin/sh
# libmhc by itself: it builds without any package of the program, installs, and programs outside the tree build against what
# was installed, in every way that is promised.   consumer.sh SCRATCH CC GENERATOR CMAKE CUDA
set -eu
scratch=$1 cc=$2 generator=$3 cmake=$4 cuda=$5
root=$PWD
prefix=$scratch/prefix
mkdir -p "$scratch"
rm -rf "$prefix" "$scratch/moved" "$scratch/outside"
unset DESTDIR CFLAGS CXXFLAGS LDFLAGS

echo "== libmhc alone, where pkg-config finds nothing"
PKG_CONFIG_LIBDIR=$scratch/nothing PKG_CONFIG_PATH='' "$cmake" -S "$root" -B "$scratch/build" -G "$generator" \
    -DCMAKE_C_COMPILER="$cc" -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_FLAGS_RELEASE=-O1 -DMHC_PROGRAM=OFF -DMHC_TESTS=OFF \
    -DMHC_CUDA="$cuda" -DCMAKE_CUDA_ARCHITECTURES=80 -DCMAKE_INSTALL_PREFIX="$prefix" >"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }
"$cmake" --build "$scratch/build" >>"$scratch/log" 2>&1 || { tail -n 40 "$scratch/log"; exit 1; }
"$cmake" --install "$scratch/build" >>"$scratch/log" 2>&1 || { tail -n 40 "$scratch/log"; exit 1; }

mv "$prefix" "$scratch/moved" # an installed tree can be moved: nothing in it may name its first place
prefix=$scratch/moved
if grep -rIl "$scratch/prefix" "$prefix"; then
    echo "the files above name the folder they were installed to first"
    exit 1
fi

libdir=$(dirname "$(find "$prefix" -name libmhc.a)")
mkdir -p "$scratch/outside"
cd "$scratch/outside"
awk '/^```c$/ { inside = 1; next } /^```$/ { inside = 0 } inside' "$root/README.md" >consumer.c
[ -s consumer.c ] || { echo "README.md has no C program"; exit 1; }

runs() {
    LD_LIBRARY_PATH=$libdir "$@" || { echo "failed: $*"; exit 1; }
}

if command -v pkg-config >/dev/null; then
    export PKG_CONFIG_PATH="$libdir/pkgconfig"
    echo "== pkg-config, shared"
    # shellcheck disable=SC2046 # pkg-config prints words
    "$cc" -std=c17 -Wall -Wextra -Werror consumer.c $(pkg-config --cflags --libs mhc) -o shared
    runs ./shared
    echo "== pkg-config, static"
    # -l:libmhc.a picks the archive where both lie side by side
    # shellcheck disable=SC2046
    "$cc" -std=c17 consumer.c $(pkg-config --cflags mhc) $(pkg-config --static --libs mhc | sed 's/-lmhc/-l:libmhc.a/') -o static
    ./static
    if command -v c++ >/dev/null; then
        echo "== pkg-config, C++"
        # shellcheck disable=SC2046
        c++ -std=c++17 -Wall -Wextra -Werror "$root/tests/install/consumer/consumer.cpp" $(pkg-config --cflags --libs mhc) -o plus
        runs ./plus
    fi
fi

echo "== find_package, shared and static"
"$cmake" -S "$root/tests/install/consumer" -B package -G "$generator" -DCMAKE_C_COMPILER="$cc" -DCMAKE_PREFIX_PATH="$prefix" \
    -DCONSUMER_SOURCE="$scratch/outside/consumer.c" >log 2>&1 || { cat log; exit 1; }
"$cmake" --build package >>log 2>&1 || { cat log; exit 1; }
package/consumer_shared
package/consumer_static
echo "all built and ran"
