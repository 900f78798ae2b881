#!/bin/sh
# usage: cortex_m.sh PROGRAM DIR [ARGUMENTS...]     PROGRAM: tests/stet_c_programs; ARGUMENTS: --networks, --models N, --images N, --seed S
# Writes C programs into DIR with what the engine makes of some samples, compiles them for Cortex-M3, M4 and M7, runs them under
# qemu-system-arm and compares every code. Prints bytes of code and constants, of values, and instructions per sample. The last line is
# 'N runs, D differing'. Exit status 77 (skipped) where qemu or the compiler is missing: apt-get install gcc-arm-none-eabi
# libnewlib-arm-none-eabi qemu-system-arm.
set -eu
program=$1 directory=$2
shift 2
here=$(cd "$(dirname "$0")" && pwd)
for tool in arm-none-eabi-gcc arm-none-eabi-size qemu-system-arm; do
  if ! command -v $tool > /dev/null 2>&1; then
    echo "$tool is not installed: nothing was run on a Cortex-M"
    exit 77
  fi
done
if ! echo '#include <string.h>' | arm-none-eabi-gcc -fsyntax-only -x c - 2> /dev/null; then
  echo "libnewlib-arm-none-eabi is not installed: nothing was run on a Cortex-M"
  exit 77
fi
rm -rf "$directory"
mkdir -p "$directory"
"$program" "$directory" --keep "$@" > "$directory/log" 2>&1 || { cat "$directory/log"; exit 1; }

flags="-std=c99 -mthumb -O2 -Wall -Wextra -Wpedantic -Wconversion -Werror -ffunction-sections"
runs=0 differing=0
printf '%-28s %-10s %9s %9s  %s\n' program core 'code and' values ''
printf '%-28s %-10s %9s %9s  %s\n' '' '' constants '' ''
for folder in "$directory"/*/; do
  folder=${folder%/} name=$(basename "$folder")
  for core in cortex-m3:mps2-an385: cortex-m4:mps2-an386:'-mfpu=fpv4-sp-d16 -mfloat-abi=hard' cortex-m7:mps2-an500:'-mfpu=fpv5-d16 -mfloat-abi=hard'; do
    cpu=${core%%:*} board=${core#*:} fpu=${core##*:}
    board=${board%%:*}
    # shellcheck disable=SC2086  # lists of flags
    arm-none-eabi-gcc $flags -mcpu=$cpu $fpu -c "$folder/$name.c" -o "$folder/$name.o"
    # shellcheck disable=SC2086
    arm-none-eabi-gcc -std=gnu99 -mthumb -O2 -mcpu=$cpu $fpu -DPROGRAM_CODES="${name}_codes" -I"$folder" "$here/cortex_m.c" "$folder/$name.o" \
      -nostartfiles -T "$here/cortex_m.ld" -o "$folder/$cpu.elf"
    if ! said=$(timeout 300 qemu-system-arm -M "$board" -cpu "$cpu" -icount shift=0 -nographic -monitor none -serial none \
      -semihosting-config enable=on,target=native -kernel "$folder/$cpu.elf" 2>&1); then
      differing=$((differing + 1))
    fi
    # shellcheck disable=SC2046  # two numbers
    set -- $(arm-none-eabi-size "$folder/$name.o" | awk 'NR == 2 { print $1 + $2, $3 }')
    printf '%-28s %-10s %9s %9s  %s\n' "$name" "$cpu" "$1" "$2" "$said"
    runs=$((runs + 1))
  done
done
echo "$runs runs, $differing differing"
[ $runs -gt 0 ] && [ $differing -eq 0 ]
