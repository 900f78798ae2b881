#!/bin/sh
# Makes the Python environment in which the real runtimes run:   sh tests/runtimes/setup.sh DIR
# Installs the versions of requirements.txt into the virtual environment DIR; does nothing where they are there already.
# Needs Debian's python3-venv, and the network once.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
directory=${1:?usage: setup.sh DIR}

ready() {
  [ -x "$directory/bin/python" ] && "$directory/bin/python" - "$here/requirements.txt" << 'END' 2> /dev/null
import importlib.metadata, sys
for line in open(sys.argv[1]):
    name, version = line.strip().split("==")
    if importlib.metadata.version(name) != version:
        sys.exit(1)
END
}

ready && exit 0
if ! python3 -c 'import ensurepip, venv' 2> /dev/null; then
  echo "The runtimes need Python's venv: apt-get install python3-venv"
  exit 1
fi
[ -x "$directory/bin/python" ] || python3 -m venv "$directory"
log=$directory/pip.log
if ! "$directory/bin/python" -m pip install --disable-pip-version-check -q -r "$here/requirements.txt" > "$log" 2>&1; then
  tail -n 3 "$log"
  echo "The runtimes cannot be installed (all messages: $log). They come from PyPI and need the network once:"
  sed 's/^/  /' "$here/requirements.txt"
  exit 1
fi
ready || { echo "The runtimes were installed, but not in the versions of $here/requirements.txt"; exit 1; }
