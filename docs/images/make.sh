#!/bin/sh
# Makes the picture of README, docs/images/report.png:   sh docs/images/make.sh [PAGE.html]
# The top of a report as a headless chromium shows it; without a page, that of the planted case of tests/diagnose/report_page.cpp
# (some minutes: it trains a network nine times). $BROWSER is the browser, if it is not chromium.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ $# -gt 0 ]; then
  cp "$1" "$work/report.html"
else
  ${CXX:-c++} -std=c++20 -O2 -march=native -fopenmp -I"$root/include" -isystem /usr/include/eigen3 -DSTET_NO_ZLIB \
    "$root/tests/diagnose/report_page.cpp" -o "$work/report_page" -lfmt
  "$work/report_page" "$work/report.html"
fi
"${BROWSER:-chromium}" --headless=new --no-sandbox --disable-gpu --hide-scrollbars --no-first-run --user-data-dir="$work/profile" \
  --force-device-scale-factor=0.85 --window-size=960,1350 --screenshot="$work/report.png" "file://$work/report.html" 2> "$work/log" || { tail -n 3 "$work/log"; exit 1; }
size=$(wc -c < "$work/report.png")
[ "$size" -lt 153600 ] || { echo "the picture has $size bytes, at most 150 KiB are wanted"; exit 1; }
cp "$work/report.png" "$root/docs/images/report.png"
echo "docs/images/report.png: $size bytes"
