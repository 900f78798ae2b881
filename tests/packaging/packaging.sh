#!/bin/sh
# usage: packaging.sh MODE SOURCE_DIR WORK_DIR CMAKE CXX     MODE: subdirectory | installed
# Builds and runs the consumer project against this source tree or against an installation of it.
set -eu
mode=$1 source=$2 work=$3 cmake=$4 cxx=$5
rm -rf "$work"
mkdir -p "$work"
set -- -G Ninja -DCMAKE_CXX_COMPILER="$cxx"
if [ "$mode" = installed ]; then
  "$cmake" "$@" -S "$source" -B "$work/stet" -DSTET_BUILD_TESTS=OFF -DSTET_BUILD_EXAMPLES=OFF -DSTET_BUILD_BENCHMARKS=OFF
  "$cmake" --install "$work/stet" --prefix "$work/prefix"
  if find "$work/prefix" -type f | grep -q -v -e '\.hpp$' -e '\.cmake$' -e '/stet\.pc$' -e LICENSE; then
    echo "something else than headers, files of CMake and pkg-config and the licence was installed"
    exit 1
  fi
  # The compiled part is installed on request, beside the headers, which may lie in a folder of their own.
  rm -rf "$work/prefix"
  "$cmake" "$@" -S "$source" -B "$work/stet" -DSTET_INSTALL_COMPILED=ON -DCMAKE_INSTALL_INCLUDEDIR=include/stet-0.1
  "$cmake" --build "$work/stet" -j 2
  "$cmake" --install "$work/stet" --prefix "$work/prefix"
  # Moved once: an installation must not remember where it was made.
  mv "$work/prefix" "$work/moved"
  [ -e "$work/moved/include/stet-0.1/stet/stet.hpp" ] || { echo "the headers are not where they were asked for"; exit 1; }
  set -- "$@" -DCMAKE_PREFIX_PATH="$work/moved"
else
  set -- "$@" -DSTET_SOURCE_DIR="$source"
fi
"$cmake" "$@" -S "$source/tests/packaging/consumer" -B "$work/consumer"
# A project that has fmt::fmt and Eigen3::Eigen already needs no installed ones.
"$cmake" "$@" -S "$source/tests/packaging/consumer" -B "$work/consumer_defines" -DCONSUMER_DEFINES_DEPENDENCIES=ON \
  -DCMAKE_DISABLE_FIND_PACKAGE_fmt=ON -DCMAKE_DISABLE_FIND_PACKAGE_Eigen3=ON
# Each way of getting stet builds one way of using it: sources header-only, an installation with its compiled part.
program=consumer
[ "$mode" != installed ] || program=consumer_compiled
"$cmake" --build "$work/consumer" -j 2 --target $program
"$work/consumer/$program"
