#!/bin/sh
# usage: split.sh SOURCE_DIR WORK_DIR CXX
# Header-only, split: units with STET_SPLIT see declarations, and one with STET_IMPLEMENTATION holds the functions. A program
# that trains links with an implementation of training alone, with a second one beside it too, and not without any.
set -eu
source=$1 work=$2 cxx=$3
rm -rf "$work"
mkdir -p "$work"
cd "$work"
compile() { "$cxx" -std=c++20 -O0 -DSTET_SPLIT -I"$source/include" -c "$1" -o "$2"; }

compile "$source/tests/packaging/split/train.cpp" train.o
compile "$source/tests/packaging/split/other.cpp" other.o
compile "$source/tests/packaging/split/implementation.cpp" implementation.o
# A unit holds the functions that it declares and nothing else does.
defined() { nm -C "$1" | grep -c " [TW] stet::prepare(stet::Model const&" || true; }
[ "$(defined train.o)" = 0 ] || { echo "a unit with STET_SPLIT holds prepare"; exit 1; }
[ "$(defined implementation.o)" = 1 ] || { echo "the implementation does not hold prepare"; exit 1; }

"$cxx" train.o other.o implementation.o -o once -lfmt -lz
./once
compile "$source/src/core.cpp" core.o
"$cxx" train.o other.o core.o implementation.o -o twice -lfmt -lz
./twice

if "$cxx" train.o other.o -o none -lfmt -lz 2> message; then
  echo "links without an implementation"
  exit 1
fi
grep -q one_unit_must_say_STET_IMPLEMENTATION message || { echo "the linker does not say what is missing"; exit 1; }
