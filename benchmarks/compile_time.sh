#!/bin/sh
# Times the compilation of benchmarks/compile_time/*.cpp: programs of a few lines that show what each door into the
# library costs, header-only and (what a program with stet::compiled costs) with the entry points from the library, which
# is compiled once: the last two lines. Best of three, processor seconds.
#   CXX=clang++-16 sh benchmarks/compile_time.sh [FLAGS]   (default: -O2)
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cxx=${CXX:-g++}
[ $# -gt 0 ] || set -- -O2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# processor_seconds COMMAND...: user time of one run, from the shell's own `times` in a subshell.
processor_seconds() {
  ("$@" && times) | awk 'NR == 2 { split($1, t, /[ms]/); printf "%.2f", t[1] * 60 + t[2] }'
}

best_of_three() {
  name=$1
  shift
  for _ in 1 2 3; do processor_seconds "$cxx" -std=c++20 "$@" -I"$root/include" -o "$work/unit.o"; echo; done |
    sort -n | head -n 1 | { read -r seconds; printf '%-34s %6s s\n' "$name" "$seconds"; }
}

"$cxx" --version | head -n 1
echo "$*"
for source in "$root"/benchmarks/compile_time/*.cpp; do
  best_of_three "$(basename "$source")" "$@" -c "$source"
done
best_of_three "train.cpp with stet::compiled" "$@" -DSTET_SPLIT -c "$root/benchmarks/compile_time/train.cpp"
for half in training deployment; do
  best_of_three "the library: $half" "$@" -DSTET_SPLIT -c "$root/src/$half.cpp"
done
