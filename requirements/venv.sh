#!/bin/sh
# Make the virtual environment with requirements/dev.txt, with an interpreter that is found here or fetched.
# Quick when nothing has changed, so the Makefile calls it before everything. PYTHON names an interpreter,
# VENV another folder.
set -eu
cd "$(dirname "$0")/.."

venv=${VENV:-.venv}
wanted=requirements/dev.txt
installed=$venv/installed.txt # a copy of $wanted, made once all of it is installed
log=var/venv.log

fail() {
    echo "$1" >&2
    exit 1
}

# Running an interpreter is the only test: a shim of pyenv may exist and fail, and Debian's comes without venv.
suitable() {
    "$1" -c 'import ensurepip, ssl, sys, venv; sys.exit(sys.version_info < (3, 12))' >/dev/null 2>&1
}

# Print the first suitable interpreter: on the PATH, pyenv's, uv's, one fetched earlier.
find_python() {
    for name in python3.14 python3.13 python3.12 python3 python; do
        path=$(command -v $name) && suitable "$path" && echo "$path" && return
    done
    for minor in 19 18 17 16 15 14 13 12; do
        for path in "${PYENV_ROOT:-$HOME/.pyenv}/versions/3.$minor"*/bin/python \
            "${XDG_DATA_HOME:-$HOME/.local/share}/uv/python/cpython-3.$minor"*/bin/python3 \
            "$PWD/var/python/cpython-3.$minor"*/bin/python3; do
            suitable "$path" && echo "$path" && return
        done
    done
    path=$(uv python find --no-project --system '>=3.12' 2>/dev/null) && suitable "$path" && echo "$path"
}

# uv brings an interpreter without a compiler and without root. Both stay in var/.
fetch_python() {
    uv=$(command -v uv) || {
        uv=var/uv/bin/uv
        "$any_python" -m pip install --quiet --disable-pip-version-check --upgrade --target var/uv uv || return
    }
    UV_PYTHON_INSTALL_DIR=$PWD/var/python UV_PYTHON_INSTALL_BIN=0 "$uv" python install 3.12
}

home_of() { "$1" -c 'import sys; print(sys.base_prefix)' 2>/dev/null; }

# True of an environment that was completed once, whose interpreter is still there and the one asked for.
usable() {
    [ -e "$installed" ] && home=$(home_of "$venv/bin/python") &&
        { [ -z "${PYTHON:-}" ] || [ "$home" = "$(home_of "$PYTHON")" ]; }
}

ready() { cmp -s "$wanted" "$installed" && usable; }

install() {
    if ! usable; then
        echo "Making $venv with $("$python" --version); this takes a minute, once."
        "$python" -m venv --clear "$venv" >"$log" 2>&1 || return
    fi
    rm -f "$installed"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$wanted" >"$log" 2>&1 &&
        cp "$wanted" "$installed"
}

ready && exit 0

if [ -n "${PYTHON:-}" ]; then
    suitable "$PYTHON" || fail "PYTHON=$PYTHON is not a Python 3.12 or newer with its venv module."
    python=$PYTHON
else
    python=$(find_python) || python=
fi
any_python=${python:-$(command -v python3 || command -v python || echo false)}

# One at a time. The lock belongs to this shell and to pip, should only the shell be killed.
mkdir -p var
exec 9>var/venv.lock
"$any_python" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)' 2>/dev/null || :
ready && exit 0

if [ -z "$python" ]; then
    echo "There is no Python 3.12 or newer here; fetching one into var/python."
    fetch_python >"$log" 2>&1 && python=$(find_python) ||
        fail "No Python could be fetched ($log says why); install Python 3.12 or newer with its venv module, or use the containers: docker compose -f docker-compose.dev.yml up."
fi
if ! [ -e "$venv/pyvenv.cfg" ] && [ -e "$venv" ] && [ "$venv" != .venv ]; then
    fail "$venv is not a virtual environment; name another folder with VENV=…."
fi
install || {
    grep -q 'No space left' "$log" && fail "No space left on the disk that holds $venv; make room and try again."
    fail "The packages could not be installed with $("$python" --version): $log says why; PYTHON=… takes another interpreter."
}
