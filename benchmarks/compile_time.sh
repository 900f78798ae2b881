#!/bin/sh
# Times the compilation of benchmarks/compile_time/*.cpp: programs of a few lines that show what each door into the
# library costs. Best of three, in seconds.   CXX=clang++-16 sh benchmarks/compile_time.sh [FLAGS]   (default: -O2)
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cxx=${CXX:-g++}
[ $# -gt 0 ] || set -- -O2
object=$(mktemp)
trap 'rm -f "$object"' EXIT
"$cxx" --version | head -n 1
for source in "$root"/benchmarks/compile_time/*.cpp; do
  best=
  for _ in 1 2 3; do
    start=$(date +%s%N)
    "$cxx" -std=c++20 "$@" -I"$root/include" -c "$source" -o "$object"
    ms=$((($(date +%s%N) - start) / 1000000))
    if [ -z "$best" ] || [ $ms -lt "$best" ]; then best=$ms; fi
  done
  printf '%-16s %s  %d.%02d s\n' "$(basename "$source")" "$*" $((best / 1000)) $((best % 1000 / 10))
done
