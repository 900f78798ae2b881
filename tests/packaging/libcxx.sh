#!/bin/sh
# usage: libcxx.sh INCLUDE_DIR EIGEN_DIR
# All headers in one unit, and numbers in JSON, with LLVM's standard library, where a clang has it. Exit code 77: none has.
set -eu
include=$1 eigen=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for compiler in clang++-19 clang++-18 clang++-17 clang++-16 clang++; do
  echo '#include <vector>' > "$work/probe.cpp"
  ! "$compiler" -stdlib=libc++ -fsyntax-only "$work/probe.cpp" 2> /dev/null || break
  compiler=
done
[ -n "$compiler" ] || { echo "no clang with libc++ was found"; exit 77; }

(cd "$include" && find stet -name '*.hpp' | sort | sed 's/.*/#include <&>/') > "$work/all.cpp"
"$compiler" -std=c++20 -stdlib=libc++ -fsyntax-only "-I$include" -isystem "$eigen" "$work/all.cpp"
cat > "$work/json.cpp" <<'END'
#include <stet/io/json_reader.hpp>

#include <cstdio>

int main() {
  for (const char* text : {"0.1", "-1.5e-3", "5e-324", "1.7976931348623157e308", "0", "-0.0", "0e400"}) {
    const double value = stet::parse_json(text).as_double();
    if (stet::parse_json(stet::Json(value).str()).as_double() != value) return std::printf("%s is not kept\n", text), 1;
  }
  for (const char* text : {"1e400", "-1e400", "1e-400"}) {
    try {
      static_cast<void>(stet::parse_json(text).as_double());
      return std::printf("%s is a double\n", text), 1;
    } catch (const stet::Error&) {
    }
  }
}
END
"$compiler" -std=c++20 -stdlib=libc++ -DFMT_HEADER_ONLY "-I$include" "$work/json.cpp" -o "$work/json"
"$work/json"
echo "$compiler with libc++ compiles all headers"
