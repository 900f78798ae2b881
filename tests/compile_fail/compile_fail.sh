#!/bin/sh
# usage: compile_fail.sh COMPILER SOURCE FLAGS...
# SOURCE must not compile, and every extended regular expression behind a line "// expect: REGEX" must match the
# compiler's output. With "// at most N errors" there may be no more lines with "error:". With -DSTET_CONTROL it must
# compile: so it is the misuse that is refused and not something else in the file. "// flags: FLAGS" adds flags to the
# compilation that must fail.
set -eu
compiler=$1 source=$2
shift 2
flags=$(sed -n 's|^// flags: ||p' "$source")
output=$(mktemp)
trap 'rm -f "$output"' EXIT

if ! "$compiler" -std=c++20 -fsyntax-only -DSTET_CONTROL "$@" "$source" > "$output" 2>&1; then
  echo "$source: does not compile with -DSTET_CONTROL either:"
  head -n 30 "$output"
  exit 1
fi
# shellcheck disable=SC2086  # a list of flags
if "$compiler" -std=c++20 -fsyntax-only $flags "$@" "$source" > "$output" 2>&1; then
  echo "$source: compiles, but must not"
  exit 1
fi
grep -q '^// expect: ' "$source" || { echo "$source: has no line '// expect: REGEX'"; exit 1; }
sed -n 's|^// expect: ||p' "$source" | while read -r regex; do
  grep -Eq -- "$regex" "$output" || {
    echo "$source: no message matches: $regex"
    head -n 40 "$output"
    exit 1
  }
done
limit=$(sed -n 's|^// at most \([0-9]*\) errors.*|\1|p' "$source")
errors=$(grep -c 'error:' "$output" || true)
if [ -n "$limit" ] && [ "$errors" -gt "$limit" ]; then
  echo "$source: $errors errors, at most $limit wanted"
  head -n 40 "$output"
  exit 1
fi
echo "refused with $errors error(s), as expected"
