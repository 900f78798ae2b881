#!/bin/sh
# Several processes train one model: the same bits for any number of them, refusals, processes that fail, hang and are killed.
#   sh tests/mpi/mpi.sh MPIEXEC PROGRAM FOLDER [KILLS]      PROGRAM is tests/mpi/train_together.cpp, built
set -eu
mpiexec=$1 program=$2 work=$3 kills=${4:-6}
rm -rf "$work"
mkdir -p "$work"
OMP_NUM_THREADS=1
export OMP_NUM_THREADS
# More processes than cores, and root in a container: Open MPI must be told; others know neither option.
flags=
if "$mpiexec" --version 2>&1 | grep -qE "Open MPI|OpenRTE|open-mpi"; then flags="--oversubscribe --allow-run-as-root"; fi

fail() {
  cat "$work/log" "$work/errors" 2> /dev/null || true
  echo "$*"
  exit 1
}
# train N CHECKPOINT OPTIONS...: the run's hash, on standard output.
train() {
  n=$1 checkpoint=$2
  shift 2
  # shellcheck disable=SC2086  # a list of words
  timeout 300 "$mpiexec" $flags -n "$n" "$program" "$work/$checkpoint" "$@" 2> "$work/errors"
}
# refused WORDS N CHECKPOINT OPTIONS...: all end, and say so with these words.
refused() {
  words=$1
  shift
  if train "$@" > "$work/log"; then fail "was not refused: $*"; fi
  grep -q -- "$words" "$work/errors" || fail "the refusal does not say '$words': $*"
}

whole=$(train 1 one) || fail "one process failed"
for n in 2 3 4; do
  [ "$(train $n run$n)" = "$whole" ] || fail "$n processes give other bits than one"
done
[ "$(train 2 threads threads 2)" = "$whole" ] || fail "two threads each give other bits"
echo "1, 2, 3 and 4 processes, 1 and 2 threads: $whole"

train 2 any order any > /dev/null || fail "processes that add in any order do not agree"

# The same lines of the run in all checkpoints: they can be resumed with any number.
train 1 parts epochs 8 > /dev/null || fail "one process failed"
refused "differs from process 0: process 0 has 'data" 3 mismatch other_data 2
refused "a callback of one process threw" 3 throws throws 1
refused "process 1" 3 throws throws 1 replace 1
[ -s "$work/throws" ] || fail "the checkpoint of the epoch before is gone"
[ "$(train 2 throws resume 1)" = "$whole" ] || fail "resumed after an error, other bits"
echo "one process fails: all end, and the run is resumed by two"

begin=$(date +%s)
refused "no word from process 2" 3 hangs hangs 2 timeout 3
[ $(($(date +%s) - begin)) -lt 60 ] || fail "a process that hangs did not end the run in time"
[ "$(train 4 hangs resume 1)" = "$whole" ] || fail "resumed after a process hung, other bits"
echo "one process hangs: the others end in time, and the run is resumed by four"

# Killed at moments that no one chose, any of the processes, until the run comes to its end.
seed=$$ killed=0 round=0
while [ $round -lt "$kills" ]; do
  round=$((round + 1))
  n=$((round % 3 + 2))
  rm -f "$work/killed"
  # shellcheck disable=SC2086
  timeout 300 "$mpiexec" $flags -n $n "$program" "$work/killed" pause 0.05 > "$work/log" 2> "$work/errors" &
  pid=$!
  seed=$(((seed * 1103515245 + 12345) % 2147483648))
  sleep "$((seed / 65536 % 2)).$((seed / 512 % 90 + 10))"
  victims=$(pgrep -f "^$program $work/killed " || true)
  if [ -n "$victims" ]; then
    count=$(echo "$victims" | wc -l)
    victim=$(echo "$victims" | sed -n "$((seed / 256 % count + 1))p")
    kill -9 "$victim" 2> /dev/null && killed=$((killed + 1))
  fi
  begin=$(date +%s)
  # A run that ends well had come to its end before the signal (between finding a process and killing it, or in its last words):
  # it has the whole result, which no run can have without all of its processes.
  if wait $pid; then [ "$(cat "$work/log")" = "$whole" ] || fail "one process was killed, and the run ended as if nothing had happened"; fi
  [ $(($(date +%s) - begin)) -lt 60 ] || fail "the run went on without a process"
  # Of the epoch before, or none yet.
  resumed=$(train $((round % 4 + 1)) killed resume 1) || fail "a checkpoint does not load after a kill"
  [ "$resumed" = "$whole" ] || fail "killed and resumed, other bits: $resumed"
done
[ $killed -gt 0 ] || fail "no run lived long enough to be killed"
echo "killed $killed times, resumed with another number of processes: the same bits"
