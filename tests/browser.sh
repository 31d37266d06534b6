#!/bin/sh
# See to it that there is a Chromium for the browser tests: found, else installed, else said to be missing.
set -eu
cd "$(dirname "$0")/.."

python=${VENV:-.venv}/bin/python
log=var/browser.log

# Starting it is the only test: a program may be there without its libraries, or be a stub for another packager.
runs() { [ -n "$1" ] && "$1" --version >/dev/null 2>&1; }

of_playwright() {
    "$python" -c 'from playwright.sync_api import sync_playwright
with sync_playwright() as playwright:
    print(playwright.chromium.executable_path)' 2>/dev/null
}

found() {
    for name in chromium chromium-browser google-chrome; do
        runs "$(command -v $name || :)" && return
    done
    runs "$(of_playwright || :)"
}

installed_by_apt() {
    command -v apt-get && grep -q '^ID=debian' /etc/os-release || return
    if [ "$(id -u)" = 0 ]; then sudo=; else sudo='sudo -n'; fi
    $sudo apt-get update && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium
}

if [ -n "${CHROMIUM:-}" ]; then
    runs "$CHROMIUM" && exit 0
    echo "CHROMIUM=$CHROMIUM is no Chromium that runs." >&2
    exit 1
fi
found && exit 0

echo "There is no Chromium here; installing one."
mkdir -p var
: >"$log"
installed_by_apt >>"$log" 2>&1 && found && exit 0
"$python" -m playwright install chromium >>"$log" 2>&1 && found && exit 0

echo "Browser tests are left out: no Chromium could be installed ($log says why); name one with CHROMIUM=…." >&2
[ "${CI:-}" != true ]
