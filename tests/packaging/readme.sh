#!/bin/sh
# usage: readme.sh SOURCE_DIR WORK_DIR CXX [OTHER_CXX...]
# The code of README.md is what it says: the program is compiled by README's own command line and run, the fragments are
# compiled inside readme_frame.cpp and run there, and neither gives a user's compiler anything to warn of.
set -eu
source=$1 work=$2 cxx=$3
shift 2
rm -rf "$work"
mkdir -p "$work"
ln -s "$source/include" "$work/include"
cd "$work"

# Block i of C++ becomes block_i.inc; the one with a main function is the program.
awk '/^```cpp$/ { n++; inside = 1; next } /^```/ { inside = 0 } inside { print > ("block_" n ".inc") }' "$source/README.md"
program=$(grep -l 'int main' block_*.inc)
fragments=$(grep -L 'int main' block_*.inc | sort)
cp "$program" program.cpp
sed 1d "$source/examples/readme/main.cpp" | diff - program.cpp || { echo "examples/readme/main.cpp is not README's program"; exit 1; }
# shellcheck disable=SC2086  # a list of names without blanks
set_aside=$(echo $fragments)
n=0
for fragment in $set_aside; do
  n=$((n + 1))
  mv "$fragment" "fragment_$n.inc"
done
framed=$(grep -c '#include "fragment_' "$source/tests/packaging/readme_frame.cpp")
[ "$n" = "$framed" ] || { echo "README.md has $n fragments, tests/packaging/readme_frame.cpp frames $framed"; exit 1; }

line=$(sed -n 's/^g++ \(.*program\.cpp.*\)$/\1/p' "$source/README.md")
echo "$cxx $line"
# shellcheck disable=SC2086  # README's own list of arguments
"$cxx" $line
./a.out
[ -s int8.tflite ] || { echo "the program wrote no int8.tflite"; exit 1; }

"$cxx" -std=c++20 -O0 -Iinclude -I. "$source/tests/packaging/readme_frame.cpp" -o fragments -lfmt -lz
./fragments
for compiler in "$@"; do
  "$compiler" -std=c++20 -fsyntax-only -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Werror \
    -Iinclude program.cpp
done
