#!/bin/sh
# usage: single_header.sh SOURCE_DIR WORK_DIR CXX [--run]
# stet in one header: made twice with the same bytes, without a folder include beside it; README's program compiles with it, and with
# --run makes the same file of integers as with the folder.
set -eu
source=$1 work=$2 cxx=$3 extent=${4:-}
rm -rf "$work"
mkdir -p "$work/one" "$work/two" "$work/copy"
sh "$source/cmake/amalgamate.sh" "$work/one/stet_all.hpp"
cp -r "$source/include" "$source/cmake" "$source/LICENSE" "$work/copy/"
(cd "$work" && LC_ALL=C.UTF-8 sh copy/cmake/amalgamate.sh two/stet_all.hpp)
cmp "$work/one/stet_all.hpp" "$work/two/stet_all.hpp" || { echo "two runs differ"; exit 1; }
if grep -n '^#include <stet/' "$work/one/stet_all.hpp"; then echo "the header includes the folder"; exit 1; fi

sed 1d "$source/examples/readme/main.cpp" > "$work/program.cpp"
sed 's,#include <stet/.*,#include "one/stet_all.hpp",' "$work/program.cpp" > "$work/single.cpp"
cd "$work"
if [ "$extent" != --run ]; then exec "$cxx" -std=c++20 -fsyntax-only -fopenmp -Wall -Wextra -Wpedantic -Werror single.cpp; fi
"$cxx" -std=c++20 -O1 -fopenmp single.cpp -o single -lfmt -lz
"$cxx" -std=c++20 -O1 -fopenmp -I"$source/include" program.cpp -o whole -lfmt -lz
./single > /dev/null
mv int8.tflite single.tflite
./whole > /dev/null
cmp single.tflite int8.tflite
