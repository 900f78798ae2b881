#!/bin/sh
# Makes the site of the documentation, whole and without network:   sh docs/site/build.sh [--out DIR]
# DIR (build/site) gets index.html (README), a page for every docs/*.md, names.html (every public name) and reference/,
# what Doxygen makes of include/stet. At the end every local link and anchor is followed; one that leads nowhere is a
# failure. Exit status 77: Doxygen or python3-markdown-it is missing, nothing was done.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
out=$root/build/site
while [ $# -gt 0 ]; do
  case $1 in
    --out) shift; out=$1 ;;
    *) sed -n '2,5s/^# //p' "$0"; exit 2 ;;
  esac
  shift
done
# The system's Python has the system's packages, whatever environment is active.
python=python3
for candidate in /usr/bin/python3 python3; do
  if "$candidate" -c 'import markdown_it' 2> /dev/null; then python=$candidate; break; fi
done
if ! command -v doxygen > /dev/null || ! "$python" -c 'import markdown_it' 2> /dev/null; then
  echo "site skipped: it needs doxygen and python3-markdown-it (apt-get install doxygen python3-markdown-it)"
  exit 77
fi

export PYTHONDONTWRITEBYTECODE=1
mkdir -p "$out"
out=$(cd "$out" && pwd)
if [ -n "$(ls -A "$out")" ] && [ ! -e "$out/.stet-site" ]; then
  echo "$out holds something else than this site; name an empty folder"
  exit 2
fi
rm -rf "$out/reference" "$out/docs"
touch "$out/.stet-site"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" "$here/fields.py" "$root/include" "$work/include"
cp "$here/Doxyfile" "$work/Doxyfile"
"$python" "$here/frame.py" "$work"
cat >> "$work/Doxyfile" << END
INPUT = "$work/include"
STRIP_FROM_PATH = "$work/include"
STRIP_FROM_INC_PATH = "$work/include"
OUTPUT_DIRECTORY = "$out"
GENERATE_TAGFILE = "$work/stet.tag"
HTML_HEADER = "$work/header.html"
HTML_FOOTER = "$work/footer.html"
HTML_STYLESHEET = "$here/site.css"
END
(cd "$work" && doxygen Doxyfile > "$work/doxygen.log" 2>&1) || { cat "$work/doxygen.log"; exit 1; }
# Specializations of fmt's templates are of a namespace that is not read.
if grep 'warning:' "$work/doxygen.log" | grep -v 'scope for class fmt::formatter' > "$work/warnings"; then
  sed "s|$work/||" "$work/warnings"
  echo "Doxygen warns of these comments"
  exit 1
fi
"$python" "$here/pages.py" "$root" "$out" "$work/stet.tag"
"$python" "$here/check_links.py" "$out"
