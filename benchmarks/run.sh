#!/bin/sh
# Builds the benchmarks with the release preset and runs them one after the other:
#   sh benchmarks/run.sh              all, and the compile times
#   sh benchmarks/run.sh step_time …  one, with its arguments
#   sh benchmarks/run.sh --build-only none
# STET_BUILD_DIR says where to build (default: build/).
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=${STET_BUILD_DIR:-$root/build}

. "$root/cmake/packages.sh"
want_build
want_optional libbenchmark-dev "the framework of the kernel benchmarks"
install_wanted
find_build_tools

mkdir -p "$build"
log=$build/release-benchmarks.log
cmake -S "$root" --preset release -B "$build/release" -DCMAKE_CXX_COMPILER="$CXX" -DSTET_BUILD_BENCHMARKS=ON \
  -DSTET_BUILD_EXAMPLES=OFF > "$log" 2>&1 || { cat "$log"; exit 1; }
cmake --build "$build/release" -j "$(nproc)" >> "$log" 2>&1 || { cat "$log"; exit 1; }

[ "${1:-}" != --build-only ] || exit 0
if [ $# -gt 0 ]; then
  name=$1
  shift
  exec "$build/release/benchmarks/bench_$name" "$@"
fi
for source in "$root"/benchmarks/*.cpp; do
  name=$(basename "$source" .cpp)
  [ -x "$build/release/benchmarks/bench_$name" ] || continue  # left out, see benchmarks/CMakeLists.txt
  printf '\n== %s\n' "$name"
  "$build/release/benchmarks/bench_$name"
done
printf '\n== compile_time\n'
CXX=$CXX sh "$root/benchmarks/compile_time.sh"
