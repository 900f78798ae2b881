#!/bin/sh
# Times the compilation of benchmarks/compile_time/*.cpp, programs of a few lines that show what each door into the library
# costs, and of README's program, and sets the goals beside the times: header-only; with STET_SPLIT, which is what a unit
# costs that links stet::compiled too; and the units that hold the library, which are compiled once. The goals are for
# g++ 12 -O2. Median of three, processor seconds.
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

# row NAME GOAL FLAGS...: a line of the table; GOAL in seconds, or - where there is none.
row() {
  name=$1 goal=$2
  shift 2
  for _ in 1 2 3; do processor_seconds "$cxx" -std=c++20 "$@" -I"$root/include" -o "$work/unit.o"; echo; done |
    sort -n | sed -n 2p | awk -v name="$name" -v goal="$goal" '{
      printf "%-46s %6s %9.2f  %s\n", name, goal, $1, goal == "-" ? "" : $1 <= goal ? "met" : "not met" }'
}

# README's program is its block of C++ with a main function.
awk '/^```cpp$/ { inside = 1; text = ""; next } /^```/ { if (inside && text ~ /int main/) printf "%s", text; inside = 0 }
  inside { text = text $0 "\n" }' "$root/README.md" > "$work/readme.cpp"
programs=$root/benchmarks/compile_time

"$cxx" --version | head -n 1
echo "$*"
printf '%-46s %6s %9s\n' '' 'goal s' 'measured'
row "README's program, header-only" - "$@" -c "$work/readme.cpp"
row "trains, header-only" 20 "$@" -c "$programs/train.cpp"
row "trains, split or with stet::compiled: a unit" 5 "$@" -DSTET_SPLIT -c "$programs/train.cpp"
row "trains, split: the unit that holds the library" - "$@" -DSTET_SPLIT -c "$root/tests/packaging/split/implementation.cpp"
row "engine alone" 6 "$@" -c "$programs/engine.cpp"
row "quant alone" 1.2 "$@" -c "$programs/spans.cpp"
for unit in core training deployment; do
  row "stet::compiled: $unit, once" - "$@" -DSTET_SPLIT -c "$root/src/$unit.cpp"
done
