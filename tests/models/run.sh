#!/bin/sh
# Networks of others, all sets, and the table of docs/models.md:   sh tests/models/run.sh [--graphs N] [--out DIR] [SET...]
# Installs PyTorch and TensorFlow into build/models/ (some 3 GB, once), downloads the packages whose files are judged (450 MB, once),
# and takes about half an hour on two cores. --graphs: random graphs of PyTorch per exporter (100; docs/models.md: 500). SET: torch
# torch_legacy keras keras_int8 quantized packages nodes graphs graphs_legacy, or all of them. Exit status 1 if a goal is missed or
# anything is wrong.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
graphs=100 out=$root/build/models/out sets=
while [ $# -gt 0 ]; do
  case $1 in
    --graphs) shift; graphs=$1 ;;
    --out) shift; out=$1 ;;
    -*) sed -n '2,6s/^# //p' "$0"; exit 2 ;;
    *) sets="$sets $1" ;;
  esac
  shift
done
sets=${sets:-keras torch keras_int8 torch_legacy packages nodes quantized graphs graphs_legacy}

. "$root/cmake/packages.sh"
want_build
want_library catch2 "the tests' framework"
want_library nlohmann-json3-dev "reads the golden arrays' descriptions"
want_library python3-venv "the environments of PyTorch and TensorFlow"
install_wanted
find_build_tools

build=$root/build
mkdir -p "$out" "$build/models"
echo "building; log: $build/models/build.log"
{ cmake -S "$root" --preset dev -B "$build/dev" -DCMAKE_CXX_COMPILER="$CXX" -DSTET_BUILD_EXAMPLES=OFF -DSTET_BUILD_BENCHMARKS=OFF -DSTET_TEST_UNIT_FILES=8 &&
  cmake --build "$build/dev" -j "$(nproc)" --target stet_load_model; } > "$build/models/build.log" 2>&1 || { tail -n 20 "$build/models/build.log"; exit 1; }
program=$build/dev/tests/stet_load_model

# environment NAME PACKAGES...: made once, and again if the packages are others.
environment() {
  directory=$build/models/$1
  shift
  [ "$(cat "$directory/packages" 2> /dev/null)" = "$*" ] && return
  echo "installing: $*"
  python3 -m venv "$directory"
  # shellcheck disable=SC2068  # words
  "$directory/bin/python" -m pip install --disable-pip-version-check -q $@ > "$directory/pip.log" 2>&1 || { tail -n 3 "$directory/pip.log"; exit 1; }
  echo "$*" > "$directory/packages"
}
case $sets in
  *torch* | *quantized* | *packages* | *nodes* | *graphs*)
    environment torch torch==2.13.0 onnx==1.23.2 onnxscript==0.7.2 onnxruntime==1.32.0 ai-edge-litert==2.3.0 numpy pillow sympy
    [ -e "$build/models/torch/torchvision" ] || # its Python code alone; its operators need the build of torch that it was made for
      { "$build/models/torch/bin/python" -m pip install --disable-pip-version-check -q --no-deps torchvision==0.28.0 && touch "$build/models/torch/torchvision"; } ;;
esac
case $sets in
  *keras*) environment keras tensorflow==2.21.0 ai-edge-litert==2.3.0 ;;
esac

# one SET: its own lines and its line of the table.
one() {
  python=$build/models/torch/bin/python more=
  case $1 in
    torch) script=torch_networks ;;
    torch_legacy) script=torch_networks more=--legacy ;;
    keras) script=keras_networks python=$build/models/keras/bin/python ;;
    keras_int8) script=keras_networks more=--int8 python=$build/models/keras/bin/python ;;
    quantized) script=quantized_networks ;;
    packages) script=package_files ;;
    nodes) script=node_tests ;;
    graphs) script=random_graphs more="--graphs $graphs --codes $graphs" ;;
    graphs_legacy) script=random_graphs more="--graphs $graphs --codes $graphs --legacy" ;;
    *) echo "there is no set $1"; exit 2 ;;
  esac
  start=$(date +%s) work=$build/models/files/$1
  rm -f "$out/$1.json"
  # shellcheck disable=SC2086  # a list of words
  "$python" "$root/tests/models/$script.py" "$program" "$work" $more --results "$out/$1.json" > "$out/$1.txt" 2>&1 || true
  echo "$1: $(($(date +%s) - start)) s, $out/$1.txt; $(tail -n 1 "$out/$1.txt")"
}

# Two at a time: all run on one thread.
OMP_NUM_THREADS=1
export OMP_NUM_THREADS
waiting=
for set in $sets; do
  one "$set" &
  if [ -z "$waiting" ]; then
    waiting=$!
  else
    wait "$waiting"
    waiting=$!
  fi
done
wait
cat "$out"/*.json > "$out/results.jsonl"
python3 "$root/tests/models/table.py" "$out/results.jsonl" --table "$out/models.md"
