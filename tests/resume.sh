#!/bin/sh
# Kills the main job with SIGKILL in the middle of FP32 training and again in the middle of QAT, resumes it each time, and
# compares its results with those of a run that was never stopped.    sh tests/resume.sh PROGRAM FOLDER [OPTIONS...]
set -eu
program=$1 work=$2
shift 2
rm -rf "$work"
mkdir -p "$work"

# Kills a run some time after a checkpoint has appeared, so that it dies in the epoch behind it.
kill_after() {
  checkpoint=$1
  shift
  "$program" "$@" > "$work/killed.log" 2>&1 &
  pid=$!
  while kill -0 $pid 2> /dev/null && [ ! -e "$checkpoint" ]; do sleep 0.02; done
  sleep 0.2
  if ! kill -9 $pid 2> /dev/null; then
    cat "$work/killed.log"
    echo "the run ended before it could be killed"
    exit 1
  fi
  wait $pid 2> /dev/null || true
}

"$program" --quick "$@" --out "$work/whole" > "$work/whole.log" 2>&1 || { cat "$work/whole.log"; exit 1; }
kill_after "$work/killed/fp32.checkpoint" --quick "$@" --out "$work/killed"
kill_after "$work/killed/fp32_continued.checkpoint" --quick "$@" --out "$work/killed" --resume
"$program" --quick "$@" --out "$work/killed" --resume > "$work/resumed.log" 2>&1 || { cat "$work/resumed.log"; exit 1; }

for run in whole killed; do
  grep -E '"(name|correct|different_codes)"' "$work/$run/results.json" > "$work/$run.txt"
done
diff "$work/whole.txt" "$work/killed.txt"
for file in fp32.safetensors qat.safetensors int8.safetensors int8_outputs.npy; do
  cmp "$work/whole/$file" "$work/killed/$file"
done
echo "killed twice and resumed: the same results, bit for bit"
