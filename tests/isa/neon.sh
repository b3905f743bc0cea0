# NEON gives the bits of scalar: libmhc cross-compiled for AArch64, run by an emulator.   neon.sh SOURCES FOLDER CMAKE
set -eu
sources=$1 folder=$2 cmake=$3
for tool in aarch64-linux-gnu-gcc qemu-aarch64; do
    command -v $tool >/dev/null 2>&1 || { echo "skipped: $tool is not here (./run deps --all installs it)"; exit 77; }
done
# -O1 gives the same bits in half the time
"$cmake" -S "$sources" -B "$folder" -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
    -DCMAKE_C_COMPILER=aarch64-linux-gnu-gcc -DMHC_PROGRAM=OFF -DMHC_TESTS=OFF -DMHC_FINGERPRINT=ON \
    -DCMAKE_BUILD_TYPE=None -DCMAKE_C_FLAGS=-O1 >"$folder.log" 2>&1 || { cat "$folder.log" >&2; exit 1; }
"$cmake" --build "$folder" --target fingerprint >"$folder.log" 2>&1 || { tail -n 30 "$folder.log" >&2; exit 1; }
cat >"$folder/emulated" <<TEXT
#!/bin/sh
exec qemu-aarch64 -L /usr/aarch64-linux-gnu "$folder/fingerprint" "\$@"
TEXT
chmod +x "$folder/emulated"
sh "$sources/tests/isa/equal.sh" "$folder/emulated"
MHC_ISA=scalar "$folder/emulated" 1 >"$folder/there"
MHC_ISA=scalar "$4" 1 >"$folder/here"
cmp "$folder/there" "$folder/here"
echo "AArch64: the same bits as this processor"
