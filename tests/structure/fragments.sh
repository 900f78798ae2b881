#!/bin/sh
# usage: fragments.sh ROOT WORK_DIR CXX [FLAGS...]
# Every block of C++ in docs/*.md and docs/tutorial/*.md is compiled: one behind "<!-- from FILE -->" with that file (excerpts.sh), any other inside
# fragments.cpp, which says what it leaves out. Block i of those of PAGE.md is PAGE_i.inc there; lines that are "..." alone are left out.
set -eu
root=$1 work=$2 cxx=$3
shift 3
rm -rf "$work"
mkdir -p "$work"
for page in "$root"/docs/*.md "$root"/docs/tutorial/*.md; do
  [ -e "$page" ] || continue
  awk -v out="$work/$(basename "$page" .md)" '
    /^<!-- (from|printed) .* -->$/ { held = 1; next }
    /^```/ && inside { inside = taken = 0; next }
    /^```/ { inside = 1; taken = /^```cpp$/ && !held; held = 0; if (taken) { n++; printf "" > (out "_" n ".inc") } next }
    taken && !/^[ \t]*\.\.\.$/ { print > (out "_" n ".inc") }' "$page"
done
(cd "$work" && ls ./*.inc 2> /dev/null | sed 's|^\./||' | sort) > "$work/written"
sed -n 's/^#include "\([a-z0-9_]*\.inc\)"$/\1/p' "$root/tests/structure/fragments.cpp" | sort > "$work/framed"
if ! diff "$work/written" "$work/framed" > "$work/differ"; then
  sed -n 's/^< \(.*\)/not framed by tests\/structure\/fragments.cpp: \1/p; s/^> \(.*\)/no page has a block for \1/p' "$work/differ"
  exit 1
fi
"$cxx" -std=c++20 -fsyntax-only -Wall -Wextra -Werror -Wno-unused -DSTET_SPLIT "$@" -I"$root/include" -I"$work" "$root/tests/structure/fragments.cpp"
echo "fragments of docs/ compiled: $(wc -l < "$work/written")"
