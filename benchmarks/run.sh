#!/bin/sh
# Builds the benchmarks with the release preset and runs some of them:
#   sh benchmarks/run.sh [--quick] [--peers] [--networks LIST] [--out DIR]
#                                     compare.py: speed against goals; with --peers beside PyTorch, LiteRT and ONNX Runtime,
#                                     which are installed into build/peers. --quick takes about 3 minutes
#   sh benchmarks/run.sh all          all others one after the other, and the compile times
#   sh benchmarks/run.sh step_time …  one, with its arguments
#   sh benchmarks/run.sh --build-only none
# STET_BUILD_DIR says where to build (default: build/).
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=${STET_BUILD_DIR:-$root/build}

. "$root/cmake/packages.sh"
want_build
want_optional libbenchmark-dev "the framework of the kernel benchmarks"
case " $* " in
  *" --peers "*) want_library python3-venv "the environment of PyTorch and the runtimes" ;;
esac
install_wanted
find_build_tools

mkdir -p "$build"
log=$build/release-benchmarks.log
cmake -S "$root" --preset release -B "$build/release" -DCMAKE_CXX_COMPILER="$CXX" -DSTET_BUILD_BENCHMARKS=ON \
  -DSTET_BUILD_EXAMPLES=OFF > "$log" 2>&1 || { cat "$log"; exit 1; }
cmake --build "$build/release" -j "$(nproc)" >> "$log" 2>&1 || { cat "$log"; exit 1; }

[ "${1:-}" != --build-only ] || exit 0
case "${1:---quick}" in
  -*)
    [ $# -gt 0 ] || set -- --quick
    peers=
    for argument in "$@"; do
      shift
      if [ "$argument" = --peers ]; then peers=yes; else set -- "$@" "$argument"; fi
    done
    if [ -n "$peers" ]; then
      python=$build/peers/bin/python
      [ -x "$python" ] || python3 -m venv "$build/peers"
      "$python" -m pip install --disable-pip-version-check -q torch==2.13.0 numpy onnxruntime ai-edge-litert
      set -- "$@" --peers "$python"
    fi
    exec python3 "$root/benchmarks/compare.py" --worker "$build/release/benchmarks/bench_worker" \
      --spans "$build/release/benchmarks/bench_span_worker" --portable "$build/release/benchmarks/bench_worker_without_flags" "$@"
    ;;
  all) ;;
  *)
    name=$1
    shift
    exec "$build/release/benchmarks/bench_$name" "$@"
    ;;
esac
for source in "$root"/benchmarks/*.cpp; do
  name=$(basename "$source" .cpp)
  case $name in worker | span_worker) continue ;; esac  # of compare.py
  [ -x "$build/release/benchmarks/bench_$name" ] || continue  # left out, see benchmarks/CMakeLists.txt
  printf '\n== %s\n' "$name"
  "$build/release/benchmarks/bench_$name"
done
printf '\n== compile_time\n'
CXX=$CXX sh "$root/benchmarks/compile_time.sh"
