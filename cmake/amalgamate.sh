#!/bin/sh
# usage: amalgamate.sh OUT [HEADER...]     sh cmake/amalgamate.sh stet_all.hpp
# Writes stet as one header: what HEADER... (by default all public ones that need no Eigen and no training of tests) include, each
# part once, in the order in which the preprocessor meets it. The same sources give the same bytes.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
case $1 in /*) out=$1 ;; *) out=$PWD/$1 ;; esac
shift
cd "$root/include"
if [ $# -eq 0 ]; then
  # shellcheck disable=SC2046  # names without blanks
  set -- stet/stet.hpp stet/engine/engine.hpp $(LC_ALL=C ls stet/data/*.hpp stet/io/*.hpp stet/diagnose/diagnose.hpp stet/diagnose/html.hpp \
    stet/diagnose/diagnose_input.hpp)
fi
{
  echo "// stet $(sed -n 's/^#define STET_VERSION_[A-Z]* \([0-9]*\).*/\1/p' stet/version.hpp | paste -sd. -) in one header, made by cmake/amalgamate.sh."
  sed 's,^,// ,; s, *$,,' "$root/LICENSE"
  echo
  echo '#ifndef STET_ALL_HPP'
  echo '#define STET_ALL_HPP'
  echo '#ifdef STET_SPLIT'
  echo '#error "stet in one header is header-only: leave out STET_SPLIT, or take the folder include/stet"'
  echo '#endif'
  for header in "$@"; do echo "#include <$header>"; done | LC_ALL=C awk '
    # The conditions under which a line stands, so that a part that was seen under one of them only is written again elsewhere.
    function under(   i, text) {
      text = ""
      for (i = 1; i <= depth; ++i) if (condition[i] != "") text = text condition[i] "\n"
      return text
    }
    function known(header,   i, text) {
      if ((header, "") in seen) return 1
      text = ""
      for (i = 1; i <= depth; ++i) {
        if (condition[i] != "") text = text condition[i] "\n"
        if ((header, text) in seen) return 1
      }
      return 0
    }
    function line(text,   header) {
      if (text ~ /^#pragma once/) return
      # Header-only, this one always holds.
      if (text ~ /^#[ ]*if/) condition[++depth] = text ~ /^#if STET_DEFINE_ENTRIES *$/ ? "" : text
      else if (text ~ /^#[ ]*el/) condition[depth] = condition[depth] "\n" text
      else if (text ~ /^#[ ]*endif/) --depth
      # A body that another part includes once for every instruction set.
      if (text ~ /^#define STET_ISA_BODY </) { body = text; sub(/^[^<]*</, "", body); sub(/>.*/, "", body); text = "#define STET_ISA_BODY" }
      if (text ~ /^#include STET_ISA_BODY/) text = "#include <" body ">"
      if (text !~ /^#include <stet\//) { print text; return }
      header = text
      sub(/^#include </, "", header)
      sub(/>.*/, "", header)
      part(header)
    }
    function once(header,   text, found) {
      found = 0
      while ((getline text < header) > 0) if (text ~ /^#pragma once/) { found = 1; break }
      close(header)
      return found
    }
    function part(header,   text, guard, status) {
      if (!once(header)) {
        while ((getline text < header) > 0) line(text)
        close(header)
        return
      }
      if (known(header)) return
      seen[header, under()] = 1
      guard = header
      gsub(/[^a-z0-9]/, "_", guard)
      print "#ifndef STET_ALL_" guard
      print "#define STET_ALL_" guard
      print "// ---- " header
      while ((status = (getline text < header)) > 0) line(text)
      if (status < 0) { print "cannot read " header > "/dev/stderr"; exit 1 }
      close(header)
      print "#endif"
    }
    { line($0) }'
  echo '#endif'
} > "$out.part"
mv "$out.part" "$out"
