#!/bin/sh
# Runs that are killed with SIGKILL and resumed, against runs that were never stopped; and runs that must not be mixed.
#   sh tests/resume.sh PROGRAMS FOLDER [OPTIONS OF fashion_mnist...]      PROGRAMS is the folder of the built examples
set -eu
programs=$1 work=$2
shift 2
root=$(cd "$(dirname "$0")/.." && pwd)
rm -rf "$work"
mkdir -p "$work"

fail() {
  cat "$work/log" 2> /dev/null || true
  echo "$*"
  exit 1
}

# start FILE COMMAND...: runs it in the background ($pid) until it has written the file anew.
start() {
  file=$1
  shift
  touch "$work/started"
  "$@" > "$work/log" 2>&1 &
  pid=$!
  while kill -0 $pid 2> /dev/null && ! [ "$file" -nt "$work/started" ]; do sleep 0.02; done
}
end() {
  kill -9 $pid 2> /dev/null || fail "the run ended before it could be killed"
  wait $pid 2> /dev/null || true
}
# refused WORDS COMMAND...: it fails, and says so with these words.
refused() {
  words=$1
  shift
  if "$@" > "$work/log" 2>&1; then fail "was not refused: $*"; fi
  grep -q -- "$words" "$work/log" || fail "the refusal does not say '$words': $*"
}
done_with() { "$@" > "$work/log" 2>&1 || fail "failed: $*"; }
same() {
  for run in "$1" "$2"; do
    [ ! -e "$run/results.json" ] || grep -vE '"(seconds|threads)"' "$run/results.json" > "$run/figures"
  done
  [ ! -e "$1/figures" ] || diff "$1/figures" "$2/figures" || fail "other results"
  for name in $3; do cmp "$1/$name" "$2/$name" || fail "other bits"; done
}

# Killed in the middle of FP32 training and again in the middle of QAT.
set -- "$programs/fashion_mnist" --quick "$@"
done_with "$@" --out "$work/whole"
start "$work/killed/fp32.checkpoint" "$@" --out "$work/killed"
sleep 0.2
end
start "$work/killed/fp32_continued.checkpoint" "$@" --out "$work/killed" --resume
sleep 0.2
end
done_with "$@" --out "$work/killed" --resume
same "$work/whole" "$work/killed" "fp32.safetensors qat.safetensors int8.safetensors int8_outputs.npy"
echo "killed twice and resumed: the same results, bit for bit"

# A run to its end; another one in the same folder, killed after its first stage, and resumed. It must be the second run
# all through: nothing of the first may come back, whoever asks.
# two_runs NAME FIRST_STAGE FILES COMMAND...
two_runs() {
  folder=$work/$1 first=$2 files=$3
  shift 3
  done_with "$@" --lr 1e-3 --out "$folder"
  mkdir "$folder.old"
  cp "$folder"/*.checkpoint "$folder.old"
  start "$folder/$first" "$@" --lr 5e-3 --out "$folder"
  kill -STOP $pid  # it holds the folder, however fast it is
  refused "in use by another run (process $pid)" "$@" --lr 5e-3 --out "$folder" --resume
  end
  [ ! -e "$folder/results.json" ] || fail "results of the first run are still there"
  refused "did not come to its end" "$@" --lr 5e-3 --out "$folder"
  refused "--lr was 0.005, is 0.001" "$@" --lr 1e-3 --out "$folder" --resume
  for stale in "$folder.old"/*; do
    [ ! -e "$folder/$(basename "$stale")" ] || continue
    cp "$stale" "$folder"
    refused "start weights" "$@" --lr 5e-3 --out "$folder" --resume
    rm "$folder/$(basename "$stale")"
    break
  done
  # Nobody reads what is printed: the results are the same, and the exit status tells.
  if "$@" --lr 5e-3 --out "$folder" --resume > /dev/full 2> /dev/full; then fail "lost output is not in the exit status"; fi
  done_with "$@" --lr 5e-3 --out "$folder.clean"
  same "$folder.clean" "$folder" "$files"
  echo "$(basename "$1"): a second run in the folder of a first one, killed and resumed, has nothing of the first"
}
two_runs fashion_mnist fp32.safetensors "fp32.safetensors qat.safetensors int8.safetensors" "$@" --images 1200
two_runs low_bit fp32.seed1.checkpoint w2a2_lsq.seed1.safetensors \
  "$programs/low_bit" --quick --recipes w2a2_lsq --images 1200
two_runs fine_tune qat.checkpoint "qat.safetensors int8.safetensors qat_int8.tflite qat_int8.onnx" \
  "$programs/fine_tune" "$root/tests/io/torch/conv_bn_relu.dynamo.onnx" --images 1200 --epochs 3 --augment shift=1 --augment mixup=0.2
refused "cannot create" "$programs/fine_tune" "$root/tests/io/torch/conv_bn_relu.dynamo.onnx" --out /proc/none
