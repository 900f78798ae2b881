#!/bin/sh
# The long run: what may go wrong once in a million times is given the time to.   sh tests/soak.sh [MINUTES] [--build DIR]
# Fuzzing of all readers with limits of memory and time, random models in LiteRT and ONNX Runtime, random models as C programs, runs
# killed with SIGKILL and resumed (alone, and in several processes where MPI is), full disks, bit flips in checkpoints, one engine shared by
# threads under the thread sanitizer, and training steps with flat memory share MINUTES (default 60) among them; building comes on
# top. A line per part and its counts; the status is 1 if anything was found. docs/reliability.md says what each part does.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
minutes=60 build=$root/build
while [ $# -gt 0 ]; do
  case $1 in
    --build) shift; build=$1 ;;
    [0-9]*) minutes=$1 ;;
    *) sed -n '2,7s/^# //p' "$0"; exit 2 ;;
  esac
  shift
done
. "$root/cmake/packages.sh"
want_build
want_library catch2 "the tests' framework"
want_library nlohmann-json3-dev "reads the golden arrays' descriptions"
want clang++-16 clang-16 "fuzzing"
want_library libclang-rt-16-dev "its fuzzer"
want_library python3-venv "the environment of the runtimes"
install_wanted
find_build_tools

begin=$(date +%s) work=$build/soak seconds=$((minutes * 60)) found=0
mkdir -p "$work"
share() { echo $((seconds * $1 / 100)); }
report() { printf '%-28s %s\n' "$1" "$2" | tee -a "$work/report.txt"; }
part() { printf '\n== %s\n' "$1"; part_start=$(date +%s); }
left() { [ $(($(date +%s) - part_start)) -lt "$1" ]; }
: > "$work/report.txt"

cmake -S "$root" --preset dev -B "$build/dev" -DCMAKE_CXX_COMPILER="$CXX" -DSTET_BUILD_EXAMPLES=ON -DSTET_BUILD_BENCHMARKS=OFF \
  -DSTET_TEST_UNIT_FILES=8 > "$work/build.log" 2>&1
cmake --build "$build/dev" -j "$(nproc)" --target stet_random_models stet_c_programs stet_soak fashion_mnist low_bit fine_tune >> "$work/build.log" 2>&1
sh "$root/tests/runtimes/setup.sh" "$build/judges" >> "$work/build.log" 2>&1

part "readers: 42 % of the time"
readers=$(find "$root/tests/fuzz/corpus" -mindepth 1 -maxdepth 1 -type d | wc -l)
sh "$root/tests/fuzz/run.sh" $(($(share 42) / readers + 1)) --build "$build/fuzz" > "$work/fuzz.log" 2>&1 || found=$((found + 1))
report "fuzzing of $readers readers" "$(tail -n 1 "$work/fuzz.log")"

part "random models in LiteRT and ONNX Runtime: 24 %"
seed=1000 models=0 compared=0 differing=0
while left "$(share 24)"; do
  "$build/judges/bin/python" "$root/tests/runtimes/judge.py" --program "$build/dev/tests/stet_random_models" --models 100 --seed $seed > "$work/judge.log" 2>&1 ||
    { found=$((found + 1)); cp "$work/judge.log" "$work/judge.$seed.log"; }
  line=$(sed -n 's/^\([0-9]*\) compared, \([0-9]*\) differing$/\1 \2/p' "$work/judge.log" | tail -n 1)
  compared=$((compared + ${line%% *})) differing=$((differing + ${line##* })) models=$((models + 100)) seed=$((seed + 100))
done
report "random models, runtimes" "$models models, $compared codes compared, $differing differing"

part "random models as C programs: 5 %"
seed=1000 programs=0 compared=0 differing=0
while left "$(share 5)"; do
  "$build/dev/tests/stet_c_programs" "$work/c" --models 20 --seed $seed > "$work/c.log" 2>&1 || { found=$((found + 1)); cp "$work/c.log" "$work/c.$seed.log"; }
  line=$(sed -n 's/^\([0-9]*\) programs, \([0-9]*\) codes compared, \([0-9]*\) differing$/\1 \2 \3/p' "$work/c.log" | tail -n 1)
  # shellcheck disable=SC2086  # three numbers
  set -- $line
  programs=$((programs + $1)) compared=$((compared + $2)) differing=$((differing + $3)) seed=$((seed + 20))
done
report "random models, C programs" "$programs programs, $compared codes compared, $differing differing"

part "killed and resumed: 10 %, and 10 kills a minute"
rounds=0 losses=0
while left "$(share 10)"; do
  sh "$root/tests/resume.sh" "$build/dev/examples" "$work/resume" > "$work/resume.log" 2>&1 || { losses=$((losses + 1)); cp "$work/resume.log" "$work/resume.$rounds.log"; }
  rounds=$((rounds + 1))
done
found=$((found + losses))
report "runs killed and resumed" "$rounds rounds of tests/resume.sh (five kills each), $losses losses"
OMP_NUM_THREADS=1 "$build/dev/tests/stet_soak" "$work" kills $((minutes * 10)) > "$work/kills.log" 2>&1 || found=$((found + 1))
report "trainings killed" "$(tail -n 1 "$work/kills.log")"
OMP_NUM_THREADS=1 "$build/dev/tests/stet_soak" "$work" full 100 > "$work/full.log" 2>&1 || found=$((found + 1))
report "full disk" "$(tail -n 1 "$work/full.log")"
if [ -x "$build/dev/tests/stet_train_together" ] || cmake --build "$build/dev" --target stet_train_together >> "$work/build.log" 2>&1; then
  if sh "$root/tests/mpi/mpi.sh" mpirun "$build/dev/tests/stet_train_together" "$work/mpi" $((minutes / 5 + 2)) > "$work/mpi.log" 2>&1; then
    report "several processes killed" "$(tail -n 1 "$work/mpi.log")"
  else
    found=$((found + 1))
    report "several processes killed" "failed, see $work/mpi.log"
  fi
fi

part "bit flips, shared engine, memory: 8 %"
"$build/dev/tests/stet_soak" "$work" flips 2000 > "$work/flips.log" 2>&1 || found=$((found + 1))
report "checkpoints" "$(tail -n 1 "$work/flips.log")"
"$CXX" -std=c++20 -O1 -g -fsanitize=thread -DSTET_SPLIT -DSTET_IMPLEMENTATION -DSTET_NO_ZLIB -I"$root/include" -I"$root/tests" -isystem /usr/include/eigen3 \
  "$root/tests/engine/shared_engine_test.cpp" "$root/tests/support/main.cpp" -lfmt -lpthread -o "$work/shared_engine" > "$work/shared.log" 2>&1
runs=0 part_start=$(date +%s)  # flips and the compiler have taken of this part's time
while left "$(share 4)"; do
  "$work/shared_engine" > "$work/shared.log" 2>&1 || { found=$((found + 1)); cp "$work/shared.log" "$work/shared.$runs.log"; }
  runs=$((runs + 1))
done
report "shared engine, sanitized" "$runs runs of tests/engine/shared_engine_test.cpp, $(cat "$work"/shared.*.log 2> /dev/null | grep -c 'WARNING: ThreadSanitizer' || true) reports"
OMP_NUM_THREADS=1 "$build/dev/tests/stet_soak" "$work" steps "$(share 4)" > "$work/steps.log" 2>&1 || found=$((found + 1))
report "training steps" "$(tail -n 1 "$work/steps.log")"

printf '\nsh tests/soak.sh %s: %s minutes with building\n' "$minutes" $((($(date +%s) - begin) / 60))
cat "$work/report.txt"
echo "$found parts found something"
[ "$found" -eq 0 ]
