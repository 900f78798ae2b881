#!/bin/sh
# usage: deb.sh SOURCE_DIR WORK_DIR CMAKE CXX
# The Debian package: built twice, byte for byte the same; installed by dpkg into a root of its own, so that this system stays as it is;
# a program is compiled with what pkg-config says of it, and one with find_package. Then the versions in the recipes of other package
# managers. Exit status 77 (skipped) where dpkg, cpack or pkg-config is missing.
set -eu
source=$1 work=$2 cmake=$3 cxx=$4
cpack=$(dirname "$cmake")/cpack
for tool in dpkg-deb pkg-config "$cpack"; do
  command -v "$tool" > /dev/null || { echo "$tool is not here: the Debian package was not tried"; exit 77; }
done
rm -rf "$work"
mkdir -p "$work"
# From two folders whose files have other times and rights.
cp -r "$source/include" "$source/cmake" "$source/src" "$source/CMakeLists.txt" "$source/LICENSE" "$work/"
mkdir "$work/other"
cp -r "$work/include" "$work/cmake" "$work/src" "$work/CMakeLists.txt" "$work/LICENSE" "$work/other/"
find "$work/other" -type f -exec touch -d 2020-02-02 {} + -exec chmod 600 {} +
for from in "$work" "$work/other"; do
  "$cmake" -G Ninja -S "$from" -B "$from/build" -DCMAKE_CXX_COMPILER="$cxx" -DSTET_BUILD_TESTS=OFF -DSTET_BUILD_EXAMPLES=OFF \
    -DSTET_BUILD_BENCHMARKS=OFF > "$work/log" 2>&1 && (cd "$from/build" && "$cpack" -G DEB >> "$work/log" 2>&1) || { cat "$work/log"; exit 1; }
done
package=$(ls "$work"/build/libstet-dev_*_all.deb)
cmp "$package" "$work/other/build/$(basename "$package")" || { echo "two builds of the package differ"; exit 1; }

root=$work/root
mkdir -p "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/updates"
: > "$root/var/lib/dpkg/status"
# What it depends on is in this system, and not in that root.
dpkg --root="$root" --force-not-root --force-depends --force-script-chrootless --log="$work/dpkg.log" -i "$package" > "$work/log" 2>&1 ||
  { cat "$work/log"; exit 1; }
dpkg-query --admindir="$root/var/lib/dpkg" -W libstet-dev
[ -e "$root/usr/include/stet/stet.hpp" ] || { echo "the package has no headers"; exit 1; }

cat > "$work/program.cpp" << 'END'
#include <stet/core/random.hpp>
#include <stet/version.hpp>
#include <fmt/format.h>
int main() { fmt::print("{}.{}.{} {}\n", STET_VERSION_MAJOR, STET_VERSION_MINOR, STET_VERSION_PATCH, stet::Rng(1).below(10) < 10); }
END
version=$(PKG_CONFIG_PATH="$root/usr/share/pkgconfig" pkg-config --modversion stet)
flags=$(PKG_CONFIG_PATH="$root/usr/share/pkgconfig" pkg-config --cflags --libs stet)
case $flags in *"$root/usr/share/pkgconfig/../../include"* | *"$root/usr/include"*) ;; *) echo "pkg-config says: $flags"; exit 1 ;; esac
# shellcheck disable=SC2086  # a list of flags
"$cxx" -std=c++20 "$work/program.cpp" $flags -o "$work/program"
[ "$("$work/program")" = "$version true" ] || { echo "the program says $("$work/program"), pkg-config $version"; exit 1; }

mkdir "$work/consumer"
cat > "$work/consumer/CMakeLists.txt" << 'END'
cmake_minimum_required(VERSION 3.24)
project(consumer CXX)
find_package(stet REQUIRED)
add_executable(consumer ../program.cpp)
target_link_libraries(consumer PRIVATE stet::stet)
END
"$cmake" -G Ninja -S "$work/consumer" -B "$work/consumer/build" -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_PREFIX_PATH="$root/usr" > "$work/log" 2>&1 &&
  "$cmake" --build "$work/consumer/build" >> "$work/log" 2>&1 || { cat "$work/log"; exit 1; }
[ "$("$work/consumer/build/consumer")" = "$version true" ]

grep -q "\"version-semver\": \"$version\"" "$source/packaging/vcpkg/stet/vcpkg.json" || { echo "the port of vcpkg has another version"; exit 1; }
