# shellcheck shell=sh
# Sourced by tests/run.sh, examples/run.sh and benchmarks/run.sh: installs what is missing from the packages of Debian
# or Ubuntu. What is present is left alone; what is installed is named with its reason.
#
#   want COMMAND PACKAGE REASON      unless the command exists
#   want_library PACKAGE REASON      unless the package is installed
#   want_optional PACKAGE REASON     the same, but go on without it where the release does not have it
#   install_wanted

wanted='' optional='' reasons=''

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

want() {
  command -v "$1" > /dev/null 2>&1 && return 0
  wanted="$wanted $2" reasons="$reasons  $2: $3
"
}

want_library() {
  is_installed "$1" && return 0
  wanted="$wanted $1" reasons="$reasons  $1: $2
"
}

want_optional() {
  is_installed "$1" && return 0
  optional="$optional $1" reasons="$reasons  $1: $2
"
}

as_root() {
  if [ "$(id -u)" = 0 ]; then env DEBIAN_FRONTEND=noninteractive "$@"
  else sudo env DEBIAN_FRONTEND=noninteractive "$@"; fi
}

install_wanted() {
  [ -n "$wanted$optional" ] || return 0
  if ! command -v apt-get > /dev/null 2>&1; then
    printf 'This is not Debian or Ubuntu; these are looked for and may have to be installed by hand:\n%s' "$reasons"
    return 0
  fi
  if [ "$(id -u)" != 0 ] && ! command -v sudo > /dev/null 2>&1; then
    printf 'Missing, and neither root nor sudo to install them; as root: apt-get install%s\n%s' "$wanted$optional" "$reasons"
    [ -z "$wanted" ] || exit 1
    return 0
  fi
  printf 'Installing from the system packages:\n%s' "$reasons"
  as_root apt-get update -q > /dev/null || echo "apt-get update failed; trying with the lists that are here"
  if [ -n "$wanted" ]; then
    # shellcheck disable=SC2086  # a list of words
    as_root apt-get install -y -q --no-install-recommends $wanted > /dev/null || {
      echo "apt-get install$wanted failed"; exit 1; }
  fi
  for package in $optional; do
    as_root apt-get install -y -q --no-install-recommends "$package" > /dev/null 2>&1 ||
      echo "$package: not to be had here, going on without it"
  done
}

# What every build of stet needs.
want_build() {
  want g++ g++ "the compiler"
  want cmake cmake "configures the build"
  want ninja ninja-build "runs the build"
  want_library libfmt-dev "formatting of messages"
  want_library libeigen3-dev "matrices (stet/eigen.hpp)"
  want_library zlib1g-dev "reads the gzipped data files"
}

# Sets CXX to a g++ of version 12 or later and checks CMake; call it after install_wanted.
find_build_tools() {
  CXX=
  for compiler in g++ g++-12 g++-13 g++-14; do
    version=$("$compiler" -dumpversion 2> /dev/null) || continue
    if [ "${version%%.*}" -ge 12 ]; then CXX=$compiler; break; fi
  done
  if [ -z "$CXX" ]; then
    echo "stet needs g++ 12 or later; g++ here is $(g++ -dumpversion). On Ubuntu 22.04: apt-get install g++-12"
    exit 1
  fi
  version=$(cmake --version | sed -n '1s/[^0-9]*\([0-9]*\.[0-9]*\).*/\1/p')
  if [ "${version%%.*}" -lt 3 ] || { [ "${version%%.*}" -eq 3 ] && [ "${version#*.}" -lt 24 ]; }; then
    echo "stet needs CMake 3.24 or later; here is $version (Debian 12 and Ubuntu 24.04 have later ones)"
    exit 1
  fi
}
