#!/bin/sh
# usage: names.sh SOURCE_DIR     Every name and every file that README.md, CONTRIBUTING.md, SECURITY.md and docs/ put in code stands in the sources.
# A name is a word of code with an underscore or a capital and a small letter, or one that is called; a file is PATH.hpp,
# .cpp, .sh, .py or .md. Comments of the headers do not count. Formulas (math.md) are searched for headers only, since they
# cite files of other projects. Names of others: std::, My... for the reader's own, and the list below.
set -eu
export LC_ALL=C
cd "$1"
foreign="EXPECT_TRUE CHECK_MESSAGE"                      # GoogleTest, doctest
foreign="$foreign quantize_"                                # torchao
foreign="$foreign stet_test_qat stet_test_train stet_load_model"         # targets that CMake puts together
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
find . -path "./build*" -prune -o -path ./.cache -prune -o -path ./.git -prune -o -type f -print | sed 's|^\./||' > "$work/files"

# Words of the sources, and of their paths.
{
  grep -E '^(include|src)/' "$work/files" | xargs sed 's|//.*||'
  grep -E '^(examples|benchmarks|tests|cmake)/.*(\.(hpp|cpp|c|h|sh|py|txt|cmake|json|in)|README.md)$' "$work/files" | xargs cat
  cat "$work/files" CMakeLists.txt
} 2> /dev/null | tr -c 'A-Za-z0-9_' '\n' | sort -u > "$work/words"

awk '
  FNR == 1 { fence = 0 }
  /^ *```/ { fence = !fence; cpp = fence && /```cpp/; next }
  fence { if (cpp) { sub(/\/\/.*/, ""); names($0) } next }
  { n = split($0, part, "`"); for (i = 2; i <= n; i += 2) { files(part[i]); names(part[i]) } }
  function files(code) {
    while (match(code, /[A-Za-z0-9_.*\/-]+\.(hpp|cpp|sh|py|md)/)) {
      file = substr(code, RSTART, RLENGTH)
      if (file !~ /\*/ && (FILENAME !~ /math\.md$/ || file ~ /\.hpp$/)) print FILENAME ":" FNR ": file " file
      code = substr(code, RSTART + RLENGTH)
    }
  }
  function names(code) {
    if (FILENAME ~ /math\.md$/) return
    gsub(/[^ -~]+/, "\001", code)  # an ellipsis, a Greek letter: what touches it is no whole name
    gsub(/std::[a-z_:]+/, "", code)
    gsub(/"[^"]*"/, "", code)  # words of text
    gsub(/(^|[ =])(-[A-Za-z-]|[.~]*\/)[^ ]*/, " ", code)  # options and paths of commands
    while (match(code, /[A-Za-z0-9_\001*]+\(?/)) {
      word = substr(code, RSTART, RLENGTH)
      code = substr(code, RSTART + RLENGTH)
      called = sub(/\($/, "", word)
      if (word ~ /[\001*]/ || word ~ /^([0-9]|My[A-Z])/) continue
      if (called || word ~ /._/ || word ~ /^[A-Z]+[a-z]/) print FILENAME ":" FNR ": name " word
    }
  }' $(ls README.md CONTRIBUTING.md SECURITY.md docs/*.md docs/tutorial/*.md 2> /dev/null) > "$work/uses"

awk -v words="$work/words" -v files="$work/files" -v foreign="$foreign" '
  BEGIN {
    n = split(foreign, others, " ")
    for (i = 1; i <= n; ++i) known[others[i]] = 1
    while ((getline line < words) > 0) known[line] = 1
    while ((getline line < files) > 0) all = all "\n/" line "\n"
  }
  $2 == "name" && !($3 in known) { print; ++faults }
  $2 == "file" { sub(/^(\.\.?\/)+/, "", $3); if (index(all, "/" $3 "\n") == 0) { print; ++faults } }
  END { print NR " names and files, " faults + 0 " do not exist"; exit faults > 0 }' "$work/uses"
