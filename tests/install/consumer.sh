#!/bin/sh
# libmhc by itself: it builds without any package of the program; and what it, or the build that is tested, installs can be
# moved, and programs outside the tree build against it in every way that is promised.
#   consumer.sh SCRATCH CC GENERATOR CMAKE BUILD
set -eu
scratch=$1 cc=$2 generator=$3 cmake=$4 build=$5
root=$PWD
mkdir -p "$scratch"
rm -rf "$scratch"/alone "$scratch"/tested
unset DESTDIR CFLAGS CXXFLAGS LDFLAGS

logged() { # LOG COMMAND...
    log=$1
    shift
    "$@" >"$log" 2>&1 || { tail -n 40 "$log"; exit 1; }
}

runs() { # LIBDIR PROGRAM
    LD_LIBRARY_PATH=$1 "$2" || { echo "failed: $2"; exit 1; }
}

consume() { # BUILD FOLDER
    rm -rf "$2.first" "$2"
    logged "$scratch/log" "$cmake" --install "$1" --prefix "$2.first"
    mv "$2.first" "$2" # an installed tree can be moved: nothing in it may name its first place
    if grep -rIl "$2.first" "$2"; then
        echo "the files above name the folder they were installed to first"
        exit 1
    fi
    libdir=$(dirname "$(find "$2" -name libmhc.a)")
    mkdir "$2/outside"
    cd "$2/outside"
    awk '/^```c$/ { inside = 1; next } /^```$/ { inside = 0 } inside' "$root/README.md" >consumer.c
    [ -s consumer.c ] || { echo "README.md has no C program"; exit 1; }
    if command -v pkg-config >/dev/null; then
        export PKG_CONFIG_PATH="$libdir/pkgconfig"
        echo "== pkg-config, shared"
        # shellcheck disable=SC2046 # pkg-config prints words
        "$cc" -std=c17 -Wall -Wextra -Werror consumer.c $(pkg-config --cflags --libs mhc) -o shared
        runs "$libdir" ./shared
        echo "== pkg-config, static"
        # -l:libmhc.a picks the archive where both lie side by side
        # shellcheck disable=SC2046
        "$cc" -std=c17 consumer.c $(pkg-config --cflags mhc) $(pkg-config --static --libs mhc | sed 's/-lmhc/-l:libmhc.a/') -o static
        ./static
        if command -v c++ >/dev/null; then
            echo "== pkg-config, C++"
            # shellcheck disable=SC2046
            c++ -std=c++17 -Wall -Wextra -Werror "$root/tests/install/consumer/consumer.cpp" $(pkg-config --cflags --libs mhc) -o plus
            runs "$libdir" ./plus
        fi
    fi
    echo "== find_package, shared and static"
    logged log "$cmake" -S "$root/tests/install/consumer" -B package -G "$generator" -DCMAKE_C_COMPILER="$cc" \
        -DCMAKE_PREFIX_PATH="$2" -DCONSUMER_SOURCE="$PWD/consumer.c"
    logged log "$cmake" --build package
    package/consumer_shared
    package/consumer_static
    cd "$root"
}

echo "== libmhc alone, where pkg-config finds nothing"
logged "$scratch/log" env PKG_CONFIG_LIBDIR="$scratch/nothing" PKG_CONFIG_PATH= "$cmake" -S "$root" -B "$scratch/build" -G "$generator" \
    -DCMAKE_C_COMPILER="$cc" -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_FLAGS_RELEASE=-O1 -DMHC_PROGRAM=OFF -DMHC_TESTS=OFF -DMHC_CUDA=OFF
logged "$scratch/log" "$cmake" --build "$scratch/build"
consume "$scratch/build" "$scratch/alone"
echo "== the build that is tested, with its CUDA kernels if it has some"
consume "$build" "$scratch/tested"
echo "all built and ran"
