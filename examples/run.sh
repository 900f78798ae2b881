#!/bin/sh
# The main job: installs what is missing, builds the example and runs it. Arguments pass through to the program:
#   sh examples/run.sh --help | --quick | --network separable | ...
# STET_BUILD_DIR says where to build (default: build/).
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=${STET_BUILD_DIR:-$root/build}

. "$root/cmake/packages.sh"
want_build
want_library libcli11-dev "the program's options"
want_library nlohmann-json3-dev "writes results.json"
# Without it the program says how to get the data, and offers images that it draws itself.
want_optional dataset-fashion-mnist "the images to train on (Fashion-MNIST, 30 MB)"
install_wanted
find_build_tools

mkdir -p "$build"
log=$build/release.log
cmake -S "$root" --preset release -B "$build/release" -DCMAKE_CXX_COMPILER="$CXX" -DSTET_BUILD_BENCHMARKS=OFF \
  > "$log" 2>&1 || { cat "$log"; exit 1; }
echo "Building examples/fashion_mnist (log: $log)"
cmake --build "$build/release" --target fashion_mnist -j "$(nproc)" >> "$log" 2>&1 || { cat "$log"; exit 1; }
# Threads that wait by spinning cost more than they gain on a machine that does other work too.
OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
export OMP_WAIT_POLICY
exec "$build/release/examples/fashion_mnist" "$@"
