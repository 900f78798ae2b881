#!/bin/sh
# usage: headers_alone.sh COMPILER INCLUDE_DIR rooms|inner
# rooms: the headers that lie in a room itself; inner: those in folders of a room.
# Compiles every header by itself (as the first include of an otherwise empty unit, twice, so that a missing guard shows)
# with the project's own warnings. Prints the headers that fail and a count.
set -eu
compiler=$1 include=$2 which=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat > "$work/one.sh" <<'END'
compiler=$1 include=$2 work=$3 header=$4
unit=$work/$(echo "$header" | tr '/' '_').cpp
printf '#include <%s>\n#include <%s>\n' "$header" "$header" > "$unit"
if ! "$compiler" -std=c++20 -fsyntax-only -Wall -Wextra -Wconversion -Werror \
     "-I$include" -DSTET_HAS_ZLIB=1 "$unit" > "$unit.log" 2>&1; then
  echo "$header" >> "$work/failed"
  { echo "--- $header does not compile alone"; head -n 20 "$unit.log"; } >> "$work/report"
fi
END

case $which in rooms) depth="-maxdepth 2" ;; *) depth="-mindepth 3" ;; esac
# shellcheck disable=SC2086  # two words
(cd "$include" && find stet $depth -name '*.hpp' | sort) > "$work/headers"
xargs -P 2 -I{} sh "$work/one.sh" "$compiler" "$include" "$work" {} < "$work/headers"
if [ -e "$work/report" ]; then
  cat "$work/report"
  echo "$(wc -l < "$work/failed") of $(wc -l < "$work/headers") headers do not compile alone"
  exit 1
fi
echo "all $(wc -l < "$work/headers") headers compile alone"
