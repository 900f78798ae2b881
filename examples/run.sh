#!/bin/sh
# Installs what is missing, builds an example and runs it. Arguments pass through to the program:
#   sh examples/run.sh --help | --quick | --network separable | ...   the main job: examples/fashion_mnist
#   sh examples/run.sh fine_tune MODEL.onnx --data FOLDER ...         another example, by its name
#   sh examples/run.sh mpi_training --processes N ...                 in N processes of MPI (default: one per core)
#   sh examples/run.sh tutorial/line                                  a program of the tutorial (docs/tutorial)
# After the main job and fine_tune the files that they wrote run in LiteRT and ONNX Runtime, where Python can have them.
# STET_BUILD_DIR says where to build (default: build/).
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=${STET_BUILD_DIR:-$root/build}
program=fashion_mnist
if [ $# -gt 0 ] && [ -e "$root/examples/$1/main.cpp" ]; then
  program=$(echo "$1" | tr / _)
  shift
fi

processes=$(nproc)
if [ $program = mpi_training ] && [ "${1:-}" = --processes ]; then
  processes=${2:?--processes needs a number}
  shift 2
fi

. "$root/cmake/packages.sh"
want_build
want_library libcli11-dev "the program's options"
want_library nlohmann-json3-dev "writes results.json"
if [ $program = mpi_training ]; then
  want_library libopenmpi-dev "MPI, to build with"
  want mpirun openmpi-bin "starts the processes"
fi
# Without it the program says how to get the data, and offers images that it draws itself.
want_optional dataset-fashion-mnist "the images to train on (Fashion-MNIST, 30 MB)"
judged=
case $program in fashion_mnist | fine_tune) judged=yes ;; esac
if [ $program = fine_tune ]; then
  want_optional libpng-dev "reads .png files"
  want_optional libjpeg-dev "reads .jpg files"
fi
# Without it the table ends with the engine's own rows.
[ -z "$judged" ] || want_optional python3-venv "runs the exported files in LiteRT and ONNX Runtime"
install_wanted
find_build_tools

mkdir -p "$build"
log=$build/release.log
cmake -S "$root" --preset release -B "$build/release" -DCMAKE_CXX_COMPILER="$CXX" -DSTET_BUILD_EXAMPLES=ON \
  -DSTET_BUILD_BENCHMARKS=OFF > "$log" 2>&1 || { cat "$log"; exit 1; }
echo "Building examples/$program (log: $log)"
cmake --build "$build/release" --target $program -j "$(nproc)" >> "$log" 2>&1 || { cat "$log"; exit 1; }
# Threads that wait by spinning cost more than they gain on a machine that does other work too.
OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
export OMP_WAIT_POLICY
if [ $program = mpi_training ]; then
  # On one machine: more processes than cores are fine, and so is root, say in a container.
  exec mpirun --oversubscribe --allow-run-as-root -n "$processes" "$build/release/examples/$program" "$@"
fi
[ -n "$judged" ] || exec "$build/release/examples/$program" "$@"

started=$build/started
touch "$started"
"$build/release/examples/$program" "$@"

# The folder that the program wrote into, as its option --out says.
out=${program}_results previous=
for argument in "$@"; do
  case $argument in --out=*) out=${argument#--out=} ;; esac
  [ "$previous" != --out ] || out=$argument
  previous=$argument
done
# Nothing new there: the call was for --help.
[ -n "$(find "$out/results.json" -newer "$started" 2> /dev/null)" ] || exit 0
if sh "$root/tests/runtimes/setup.sh" "$build/judges"; then
  exec "$build/judges/bin/python" "$root/tests/runtimes/runtimes.py" "$out"
fi
echo "The table ends here: LiteRT and ONNX Runtime were not run. With Python's venv and the network, this adds them:"
echo "  sh tests/runtimes/setup.sh $build/judges && $build/judges/bin/python tests/runtimes/runtimes.py $out"
