#!/bin/sh
# stet inside other libraries' training code: installs Armadillo and cereal from the system's packages, libtorch
# and mlpack's headers from PyPI, builds examples/integrate_* and custom_scheme, runs them, and checks that docs/integrate.md
# quotes them truly:   sh tests/integrations.sh [--build DIR]
# One line per program with the figures that it checked. The exit status is 0 if all were built and passed. The last
# line is 'N passed, N failed'.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/build
[ "${1:-}" != --build ] || build=$2

. "$root/cmake/packages.sh"
want_build
want_library libcli11-dev "the options of the other examples"
want_library nlohmann-json3-dev "used by the other examples"
want_library libarmadillo-dev "the matrices of mlpack"
want_library libcereal-dev "included by mlpack"
want_library python3-venv "the environment with libtorch and mlpack's headers"
want_optional dataset-fashion-mnist "the images to train on (Fashion-MNIST, 30 MB)"
install_wanted
find_build_tools

# The wheels hold the headers and libraries. Without --no-deps mlpack would bring packages that only its Python side needs.
python=$build/integrations/bin/python
mkdir -p "$build"
log=$build/integrations.log
ready() { [ -x "$python" ] && "$python" -c 'import importlib.metadata as m
assert m.version("torch").split("+")[0] == "2.13.0" and m.version("mlpack") == "4.8.0"' 2> /dev/null; }
if ! ready; then
  echo "Installing torch 2.13.0 and mlpack 4.8.0 into $build/integrations (log: $log)"
  { python3 -m venv "$build/integrations" &&
    "$python" -m pip install --disable-pip-version-check -q torch==2.13.0 &&
    "$python" -m pip install --disable-pip-version-check -q --no-deps mlpack==4.8.0; } > "$log" 2>&1 || tail -n 3 "$log"
fi

cmake -S "$root" --preset release -B "$build/release" -DCMAKE_CXX_COMPILER="$CXX" -DSTET_BUILD_EXAMPLES=ON \
  -DSTET_BUILD_BENCHMARKS=OFF -DSTET_INTEGRATIONS_PYTHON="$python" >> "$log" 2>&1 || { tail -n 20 "$log"; exit 1; }
OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
export OMP_WAIT_POLICY
passed=0 failed=0
for program in integrate_raw integrate_eigen integrate_libtorch integrate_mlpack custom_scheme; do
  if ! cmake --build "$build/release" --target $program -j "$(nproc)" > "$build/$program.log" 2>&1; then
    echo "$program FAILED: not built (log: $build/$program.log)"
    tail -n 5 "$build/$program.log"
    failed=$((failed + 1))
  elif (cd "$build" && "release/examples/$program") > "$build/$program.log" 2>&1; then
    tail -n 1 "$build/$program.log"
    passed=$((passed + 1))
  else
    grep FAILED "$build/$program.log" || { echo "$program FAILED:"; grep -v '^frame' "$build/$program.log" | tail -n 5; }
    failed=$((failed + 1))
  fi
done
# Inside torch.distributed: a library for a Python program.
if cmake --build "$build/release" --target torch_distributed -j "$(nproc)" > "$build/torch_distributed.log" 2>&1 &&
  "$python" "$root/examples/torch_distributed/train.py" "$build/release/examples/libtorch_distributed.so" > "$build/torch_distributed.log" 2>&1; then
  tail -n 1 "$build/torch_distributed.log"
  passed=$((passed + 1))
else
  echo "torch_distributed FAILED:"
  tail -n 5 "$build/torch_distributed.log"
  failed=$((failed + 1))
fi
if sh "$root/tests/structure/excerpts.sh" "$root"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
