#!/bin/sh
# Installs what is missing, builds and runs the tests:   sh tests/run.sh [--fast | --full] [--integrations] [--build DIR]
#   (default)    all tests with g++, 200 random models in LiteRT and ONNX Runtime, random models as C programs, the bit-exact
#                tests with clang at -O3 -march=native, the rooms that own memory under sanitizers, fuzzing, packaging
#   --fast       only the g++ build and the packaging tests
#   --full       all tests with both compilers and under sanitizers, the bit-exact ones at all flags, C programs on Cortex-M under qemu
#                (by default too, where qemu-system-arm and gcc-arm-none-eabi are installed), every header alone,
#                misuse refused by both compilers: more than twice as long
#   --integrations  also stet inside Eigen, libtorch and mlpack programs (tests/integrations.sh; --full includes it)
#   --build DIR  where to build (default: build/)
# Commands of their own: tests/diagnose/screenshots.sh (the report in a browser), tests/fuzz/run.sh, tests/integrations.sh.
# The last line is 'N passed, N failed': Catch2 test cases and other ctest entries, over all stages.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/build extent=default integrations=
while [ $# -gt 0 ]; do
  case $1 in
    --fast | --full) extent=${1#--} ;;
    --integrations) integrations=1 ;;
    --build) shift; build=$1 ;;
    *) sed -n '2,12s/^# //p' "$0"; exit 2 ;;
  esac
  shift
done

. "$root/cmake/packages.sh"
want_build
want_library catch2 "the tests' framework"
want_library nlohmann-json3-dev "reads the golden arrays' descriptions"
want_optional libpng-dev "the pictures that tests read (.png)"
want_optional libjpeg-dev "the same (.jpg)"
want_optional libopenmpi-dev "the tests with several processes"
want_optional openmpi-bin "starts them"
want_optional pkg-config "one of the ways in which an installed stet is found"
if [ $extent = full ]; then
  want_optional gcc-arm-none-eabi "compiles for microcontrollers"
  want_optional libnewlib-arm-none-eabi "their C library"
  want_optional qemu-system-arm "runs what was compiled for them"
fi
want_optional doxygen "the reference of the site (docs/site/build.sh)"
want_optional python3-markdown-it "its other pages"
[ $extent = fast ] || want_library python3-venv "the environment of the runtimes that judge exported models"
CLANG=
for compiler in clang++-16 clang++-17 clang++-18 clang++-19; do
  if command -v $compiler > /dev/null; then CLANG=$compiler; break; fi
done
if [ -z "$CLANG" ]; then
  # Debian 12 and Ubuntu 24.04 have 16; other releases have their own.
  command -v apt-cache > /dev/null && [ -n "$(apt-cache search --names-only '^clang-16$')" ] && CLANG=clang++-16
  case $CLANG in
    "") want clang++ clang "the second compiler of the tests"; CLANG=clang++ ;;
    *) want clang++-16 clang-16 "the second compiler of the tests"
       want_library libomp-16-dev "its threads" ;;
  esac
fi
case $extent:$CLANG in
  fast:*) ;;
  *:clang++-*) want_library "libclang-rt-${CLANG#clang++-}-dev" "its fuzzer" ;;
esac
install_wanted
find_build_tools

jobs=$(nproc)
passed=0 failed=0 failures=
start=$(date +%s)

stage() {
  printf '\n== %s\n' "$1"
  stage_name=$1 stage_start=$(date +%s)
}

stage_end() { echo "== $stage_name: $(($(date +%s) - stage_start)) s"; }

fail() {
  failed=$((failed + 1))
  failures="$failures
  $stage_name: $1"
}

# configure_and_build PRESET [CMAKE_ARGUMENTS...]
configure_and_build() {
  preset=$1
  shift
  cmake -S "$root" --preset "$preset" -B "$build/$preset" -DSTET_TEST_UNIT_FILES=8 "$@" > "$build/$preset.log" 2>&1 ||
    { cat "$build/$preset.log"; fail "configuration"; return 1; }
  cmake --build "$build/$preset" -j "$jobs" || { fail "build"; return 1; }
}

# run_tests PRESET [CTEST_ARGUMENTS...]: runs them and adds their test cases to the count.
run_tests() {
  preset=$1
  shift
  status=0
  (cd "$build/$preset" && ctest -j "$jobs" --output-on-failure "$@") || status=$?
  counts=$(awk '
    / Testing: / { name = $NF; cases = 0; bad = 0 }
    /^All tests passed \(/ { for (i = 2; i < NF; ++i) if ($(i + 1) ~ /^test$/) cases = $i }
    /^test cases: / { for (i = 2; i <= NF; ++i) { if ($i == "passed") cases = $(i - 1); if ($i == "failed") bad = $(i - 1) } }
    /^Test Passed\.|^Test Pass Reason:/ { good = 1 }
    / time elapsed: / {
      if (good) p += cases > 0 ? cases : 1
      else { p += cases; f += bad > 0 ? bad : 1; names = names " " name }
      good = 0
    }
    END { print p + 0, f + 0, names }' "$build/$preset/Testing/Temporary/LastTest.log")
  # shellcheck disable=SC2086  # a list of words
  set -- $counts
  passed=$((passed + $1)) failed=$((failed + $2))
  if [ "$2" -gt 0 ]; then
    shift 2
    failures="$failures
  $stage_name: $*"
  elif [ $status -ne 0 ]; then
    fail "ctest"  # a program that could not be started
  fi
}

mkdir -p "$build"

stage "g++ -O2: all tests"
if configure_and_build dev -DCMAKE_CXX_COMPILER="$CXX" -DSTET_BUILD_EXAMPLES=OFF \
  -DSTET_BUILD_BENCHMARKS=OFF -DSTET_CLANG="$(command -v "$CLANG")"; then
  run_tests dev -LE packaging
fi
stage_end

if [ $extent != fast ]; then
  # Its compilation and its readers take one core each; the runtimes below leave the other free.
  sh "$root/tests/fuzz/run.sh" 5 --build "$build/fuzz" --compiler "$CLANG" > "$build/fuzz.log" 2>&1 &
  fuzzing=$!
  stage "the real runtimes: random models in LiteRT and ONNX Runtime, every code"
  if sh "$root/tests/runtimes/setup.sh" "$build/judges" && [ -e "$build/dev/build.ninja" ] &&
    cmake --build "$build/dev" --target stet_random_models stet_foreign_models; then
    if "$build/judges/bin/python" "$root/tests/runtimes/judge.py" --program "$build/dev/tests/stet_random_models" \
      --models 200 --seed 1; then
      passed=$((passed + 1))
    else
      fail "judge.py --models 200 --seed 1"
    fi
    if "$build/judges/bin/python" "$root/tests/runtimes/judge_foreign.py" "$build/dev/tests/stet_foreign_models" 200; then
      passed=$((passed + 1))
    else
      fail "judge_foreign.py"
    fi
  else
    fail "setup of the runtimes"
  fi
  stage_end

  stage "C programs, on this machine and on Cortex-M: every code"
  models=12 seeds=1
  [ $extent = default ] || models=200 seeds=10
  if [ -e "$build/dev/build.ninja" ] && cmake --build "$build/dev" --target stet_c_programs; then
    if "$build/dev/tests/stet_c_programs" "$build/c_programs" --models $models 2> "$build/c_programs.log"; then
      passed=$((passed + 1))
    else
      cat "$build/c_programs.log"
      fail "stet_c_programs --models $models"
    fi
    status=0
    sh "$root/tests/microcontroller/cortex_m.sh" "$build/dev/tests/stet_c_programs" "$build/cortex_m" --models $seeds || status=$?
    case $status in
      0) passed=$((passed + 1)) ;;
      77) ;;  # it has said what is missing
      *) fail "tests/microcontroller/cortex_m.sh" ;;
    esac
  else
    fail "build of the C programs"
  fi
  stage_end
fi

matrix=bits-clang-native
if [ $extent = full ]; then
  stage "$CLANG -O2: all tests"
  if configure_and_build clang -DCMAKE_CXX_COMPILER="$CLANG"; then run_tests clang -LE packaging; fi
  stage_end

  stage "g++, address and undefined-behaviour sanitizers: all tests but the slow ones"
  if configure_and_build sanitize -DCMAKE_CXX_COMPILER="$CXX"; then run_tests sanitize; fi
  stage_end

  # The two -O2 builds above are entries of this matrix too.
  matrix="bits-gcc-O3 bits-gcc-native bits-clang-O3 bits-clang-native"
elif [ $extent = default ]; then
  # The readers of io are fuzzed under sanitizers below; its other tests run under them with --full. What these rooms use
  # of the compiled library costs less than all of it.
  stage "g++, address and undefined-behaviour sanitizers: core, data, quant, integer, graph, engine"
  if configure_and_build sanitize -DCMAKE_CXX_COMPILER="$CXX" \
    "-DSTET_TEST_ROOMS=core;data;quant;integer;graph;engine" -DSTET_TEST_COMPILED=OFF; then run_tests sanitize; fi
  stage_end
fi
if [ $extent != fast ]; then
  stage "fuzzing of the readers: libFuzzer under sanitizers, seconds per reader"
  if wait "$fuzzing"; then
    passed=$((passed + 1))
  else
    fail "tests/fuzz/run.sh"
  fi
  cat "$build/fuzz.log"
  stage_end

  stage "the same bits with other flags and compilers: $matrix"
  for preset in $matrix; do
    case $preset in *gcc*) compiler=$CXX ;; *) compiler=$CLANG ;; esac
    # passes trains, freezes, converts and runs the engine: by default it stands for the rooms between it and integer.
    rooms=
    [ $extent = full ] || rooms="core;quant;integer;passes"
    if configure_and_build $preset -DCMAKE_CXX_COMPILER="$compiler" "-DSTET_TEST_ROOMS=$rooms"; then run_tests "$preset"; fi
  done
  stage_end
fi

if [ -n "$integrations" ] || [ $extent = full ]; then
  stage "integrations: stet inside Eigen, libtorch and mlpack programs"
  if sh "$root/tests/integrations.sh" --build "$build" > "$build/integrations.out" 2>&1; then
    passed=$((passed + $(tail -n 1 "$build/integrations.out" | cut -d' ' -f1)))
  else
    fail "tests/integrations.sh"
  fi
  # Its last line is a count of its own; this script's is the one that counts.
  sed '$s/^[0-9]* passed, [0-9]* failed$/(&)/' "$build/integrations.out"
  stage_end
fi

stage "packaging: consumer projects, headers alone, misuse that must not compile"
if [ -e "$build/dev/build.ninja" ]; then
  if [ $extent = full ]; then run_tests dev -L packaging; else run_tests dev -L packaging -LE full_only; fi
fi
stage_end

echo
[ -z "$failures" ] || printf 'Failed:%s\n' "$failures"
echo "tests took $(($(date +%s) - start)) s"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
