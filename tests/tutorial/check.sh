#!/bin/sh
# usage: check.sh PROGRAM PAGE IMAGES WORK [FILE]    A page of the tutorial shows what its program prints and draws.
# The block of the page behind "<!-- printed by PROGRAM -->" is the program's standard output; every picture that it writes is the
# one in IMAGES. The program runs in WORK, where other files that it writes stay; its arguments are FILE, if given, and a folder.
set -eu
whole() { echo "$(cd "$(dirname "$1")" && pwd)/$(basename "$1")"; }
program=$(whole "$1") page=$2 images=$3 work=$4
file=${5:+$(whole "$5")}
name=$(basename "$program")
rm -rf "$work"
mkdir -p "$work/pictures"
# The roundings of one instruction set, so that training in float is the same on every machine.
(cd "$work" && STET_ISA=baseline "$program" ${file:+"$file"} pictures) > "$work/printed"
awk -v mark="<!-- printed by $name -->" '
  $0 == mark { here = 1; next }
  here && /^```/ { if (inside) exit; inside = 1; next }
  inside' "$page" > "$work/shown"
[ -s "$work/shown" ] || { echo "$page shows nothing that $name prints"; exit 1; }
diff -u "$work/shown" "$work/printed" || { echo "$page shows something else than $name prints"; exit 1; }
for picture in "$work/pictures"/*; do
  [ -e "$picture" ] || continue
  cmp "$picture" "$images/$(basename "$picture")" || { echo "$(basename "$picture") is not what $name draws"; exit 1; }
done
echo "$name prints and draws what $(basename "$page") shows"
