#!/bin/sh
# usage: headers_alone.sh COMPILER INCLUDE_DIR TEST_DIR EIGEN_DIR rooms|tested|inner|together|cxx17
# inner: the headers in folders of a room; of those that lie in a room itself, tested: the ones that a test includes before
# anything else, which is the same proof; rooms: the others.
# together: all of them in one unit, where two of one name would meet, and with the warnings that users may have on.
# cxx17: every header, as the first one, is refused with the one error of core/requirements.hpp where C++20 is missing.
# Otherwise compiles every header by itself (as the first include of an otherwise empty unit, twice, so that a missing guard shows)
# with the project's own warnings. Prints the headers that fail and a count.
set -eu
compiler=$1 include=$2 tests=$3 eigen=$4 which=$5
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat > "$work/one.sh" <<'END'
compiler=$1 include=$2 eigen=$3 work=$4 header=$5
unit=$work/$(echo "$header" | tr '/' '_').cpp
printf '#include <%s>\n#include <%s>\n' "$header" "$header" > "$unit"
if ! "$compiler" -std=c++20 -fsyntax-only -Wall -Wextra -Wconversion -Werror \
     "-I$include" -isystem "$eigen" -DSTET_HAS_ZLIB=1 "$unit" > "$unit.log" 2>&1; then
  echo "$header" >> "$work/failed"
  { echo "--- $header does not compile alone"; head -n 20 "$unit.log"; } >> "$work/report"
fi
END

# stet/mpi.hpp where this compiler has MPI without being told; else tests/mpi compiles it, with the MPI that CMake found.
others=
echo '#include <mpi.h>' | "$compiler" -x c++ -fsyntax-only - 2> /dev/null || others='! -path stet/mpi.hpp'

if [ "$which" = together ]; then
  (cd "$include" && find stet -name '*.hpp' $others | sort | sed 's/.*/#include <&>/') > "$work/all.cpp"
  "$compiler" -std=c++20 -fsyntax-only -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wcast-qual -Werror \
    "-I$include" -isystem "$eigen" "$work/all.cpp"
  exit
fi
if [ "$which" = cxx17 ]; then
  (cd "$include" && find stet -name '*.hpp' ! -name version.hpp $others | sort) > "$work/headers"
  while read -r header; do
    if echo "#include <$header>" | "$compiler" -std=c++17 -x c++ -fsyntax-only "-I$include" - > "$work/log" 2>&1 ||
       ! grep -q 'error: .*stet needs C++20' "$work/log" || [ "$(grep -c 'error:' "$work/log")" -gt 2 ]; then
      echo "$header in C++17, 2 errors wanted (core/requirements.hpp):"
      head -n 5 "$work/log"
      exit 1
    fi
  done < "$work/headers"
  echo "all $(wc -l < "$work/headers") headers refuse C++17"
  exit
fi
find "$tests" -name '*_test.cpp' -exec grep -m 1 -h '^#include' {} + | sed -n 's/^#include <\(stet\/.*\)>$/\1/p' |
  sort -u > "$work/first"
room_headers() { (cd "$include" && find stet -maxdepth 2 -name '*.hpp' $others | sort); }
case $which in
  inner) (cd "$include" && find stet -mindepth 3 -name '*.hpp') ;;
  tested) room_headers | comm -12 - "$work/first" ;;
  rooms) room_headers | comm -23 - "$work/first" ;;
esac > "$work/headers"
xargs -P 2 -I{} sh "$work/one.sh" "$compiler" "$include" "$eigen" "$work" {} < "$work/headers"
if [ -e "$work/report" ]; then
  cat "$work/report"
  echo "$(wc -l < "$work/failed") of $(wc -l < "$work/headers") headers do not compile alone"
  exit 1
fi
echo "all $(wc -l < "$work/headers") headers compile alone"
