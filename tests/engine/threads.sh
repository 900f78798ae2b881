#!/bin/sh
# usage: threads.sh CXX INCLUDE SOURCE PROGRAM     Compiles threads.cpp for the thread sanitizer and runs it.
# Exit status 77 (skipped) where the compiler has no thread sanitizer that runs here.
set -eu
cxx=$1 include=$2 source=$3 program=$4
# The sanitizer wants its addresses where kernels with much randomization do not put them.
run() { if command -v setarch > /dev/null; then setarch "$(uname -m)" -R "$@"; else "$@"; fi; }
echo 'int main() {}' > "$program.cpp"
if ! { "$cxx" -fsanitize=thread "$program.cpp" -o "$program" && run "$program"; }; then
  echo "no thread sanitizer with $cxx here"
  exit 77
fi
"$cxx" -std=c++20 -O1 -g1 -fsanitize=thread -I"$include" "$source" -lfmt -pthread -o "$program"
TSAN_OPTIONS=halt_on_error=1 run "$program"
