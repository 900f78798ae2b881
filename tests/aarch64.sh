#!/bin/sh
# The integer arithmetic on aarch64, emulated: cross-compiles the tests of the rooms core, quant, integer and engine and runs
# them under qemu with the plain kernels, those of dotprod and those of i8mm. A command of its own, some ten minutes on two cores:
#   sh tests/aarch64.sh [ROOM/NAME_test.cpp ...]   (default: all of those rooms)
# Needs g++-aarch64-linux-gnu and qemu-user beside the packages of the other tests; headers of libraries are taken from this
# machine (fmt and Catch2 2.13 header-only, Eigen, nlohmann-json), so there is no data in gzip and no picture.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/cmake/packages.sh"
cxx=aarch64-linux-gnu-g++
want "$cxx" g++-aarch64-linux-gnu "compiles for aarch64"
want qemu-aarch64 qemu-user "runs what was compiled"
for library in libfmt-dev catch2 libeigen3-dev nlohmann-json3-dev; do want_library "$library" "headers of the tests"; done
install_wanted
build=$root/build/aarch64
mkdir -p "$build/headers"
for name in fmt catch2 nlohmann eigen3/Eigen; do ln -sfn "/usr/include/$name" "$build/headers/$(basename "$name")"; done
cd "$root"
[ $# -gt 0 ] || set -- $(cd tests && ls core/*_test.cpp quant/*_test.cpp integer/*_test.cpp engine/*_test.cpp)

flags="-std=c++20 -O2 -DFMT_HEADER_ONLY -DSTET_NO_ZLIB -DSTET_TEST_DIR=\"tests\" -DSTET_GOLDEN_DIR=\"$root/tests/golden\" -Iinclude -Itests -isystem $build/headers"
for source in support/main.cpp support/golden.cpp; do "$cxx" $flags -O0 -c "tests/$source" -o "$build/$(basename "$source" .cpp).o"; done
passed=0 failed=0
for test in "$@"; do
  program=$build/$(basename "$test" .cpp)
  if ! "$cxx" $flags -static "tests/$test" "$build/main.o" "$build/golden.o" -o "$program" > "$program.log" 2>&1; then
    echo "$test: does not compile, see $program.log"
    failed=$((failed + 1))
    continue
  fi
  for isa in baseline dotprod i8mm; do
    if STET_ISA=$isa qemu-aarch64 -cpu max "$program" > "$program.$isa.log" 2>&1; then
      passed=$((passed + 1))
    else
      echo "$test: fails with $isa, see $program.$isa.log"
      failed=$((failed + 1))
    fi
  done
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
