#!/bin/sh
# usage: excerpts.sh ROOT
# Every block of code in docs/*.md and docs/tutorial/*.md behind a line "<!-- from FILE -->" must be lines of that file, in that order without
# gaps but for lines that are "..." alone; blanks at the ends of lines and the indentation of the block do not count.
set -eu
root=$1
status=0
for page in "$root"/docs/*.md "$root"/docs/tutorial/*.md; do
  [ -e "$page" ] || continue
  awk -v root="$root" -v page="$page" '
    function trimmed(line) { sub(/^[ \t]+/, "", line); sub(/[ \t]+$/, "", line); return line }
    /^<!-- from .* -->$/ { file = $3; next }
    /^```/ && file != "" && !inside {
      inside = 1; at = 0; follows = 0; n = 0
      while ((getline line < (root "/" file)) > 0) lines[++n] = trimmed(line)
      close(root "/" file)
      if (n == 0) { print page ": " file " is missing or empty"; bad = 1 }
      next
    }
    /^```/ && inside { inside = 0; file = ""; blocks++; next }
    inside {
      want = trimmed($0)
      if (want == "" ) next
      if (want == "...") { follows = 0; next }
      found = 0
      for (i = at + 1; i <= n; ++i) {
        if (lines[i] == want) { found = i; break }
        if (follows && lines[i] != "") break
      }
      if (!found) { print page ": not in " file (follows ? " behind the line before it: " : ": ") want; bad = 1; next }
      at = found; follows = 1
    }
    END { if (blocks) print "excerpts in " page ": " blocks; exit bad }' "$page" || status=1
done
exit $status
