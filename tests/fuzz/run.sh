#!/bin/sh
# Fuzzes every reader with libFuzzer under the address and undefined-behaviour sanitizers:
#   sh tests/fuzz/run.sh [SECONDS] [--build DIR] [--compiler clang++-16]
# SECONDS per reader (default: 10). The corpus of tests/fuzz/corpus is read, what is found goes to DIR/corpus. Where a
# reader fails the input is left in DIR. The last line is 'N executions, N failed'.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
seconds=10 build=$root/build/fuzz compiler=
while [ $# -gt 0 ]; do
  case $1 in
    --build) shift; build=$1 ;;
    --compiler) shift; compiler=$1 ;;
    [0-9]*) seconds=$1 ;;
    *) sed -n '2,5s/^# //p' "$0"; exit 2 ;;
  esac
  shift
done
for candidate in clang++-16 clang++-17 clang++-18 clang++-19 clang++; do
  [ -n "$compiler" ] || ! command -v $candidate > /dev/null || compiler=$candidate
done
[ -n "$compiler" ] || { echo "Fuzzing needs clang and its runtime: apt-get install clang-16 libclang-rt-16-dev"; exit 1; }

mkdir -p "$build"
sources=$(find "$root/include" "$here" -newer "$build/fuzzer" -name '*pp' 2> /dev/null || echo none)
if [ ! -x "$build/fuzzer" ] || [ -n "$sources" ]; then
  # Pictures by the libraries that are here; without one its reader is fuzzed down to the refusal.
  images=
  for library in png jpeg; do
    header=$library.h
    [ $library != jpeg ] || header=jpeglib.h
    if printf '#include <stdio.h>\n#include <%s>\n' $header | "$compiler" -E -x c++ - > /dev/null 2>&1; then
      images="$images -DSTET_HAS_$(echo $library | tr a-z A-Z)=1 -l$library"
    fi
  done
  "$compiler" -std=c++20 -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -Wno-pass-failed \
    -DSTET_HAS_ZLIB=1 -I"$root/include" "$here/fuzzer.cpp" -lfmt -lz $images -o "$build/fuzzer"
fi

executions=0 failed=0
for reader in tflite onnx safetensors npy idx csv wav image; do
  mkdir -p "$build/corpus/$reader"
  log=$build/$reader.log
  # A file of at most 32 KB that makes a reader take more than its fixed part of 64 MB (and what the sanitizers add), or
  # ten times its second, is a fault too (docs/design.md, Files of other runtimes).
  if STET_READER=$reader "$build/fuzzer" -max_total_time="$seconds" -timeout=10 -malloc_limit_mb=64 -rss_limit_mb=1024 -max_len=32768 \
    -print_final_stats=1 -artifact_prefix="$build/$reader-" "$build/corpus/$reader" "$here/corpus/$reader" \
    > "$log" 2>&1; then
    verdict="no fault"
  else
    verdict="FAULT, see $log" failed=$((failed + 1))
    grep -E '^(==|SUMMARY|fuzz:|Test unit written)' "$log" || tail -n 5 "$log"
  fi
  count=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  executions=$((executions + ${count:-0}))
  printf '%-12s %10s executions in %s s, %s\n' "$reader" "${count:-?}" "$seconds" "$verdict"
done
echo "$executions executions, $failed failed"
[ $failed -eq 0 ]
