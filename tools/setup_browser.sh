#!/bin/sh
# Prints the path of a Chromium for the browser tests; exits with 1 where none can be had.
#
# The one that IFLOW_CHROMIUM names comes first, then what is installed.  Where nothing is, and this is root on a
# system with apt-get, the system's own packages are installed, Graphviz among them, so that graphs are drawn by a real
# `dot` too.
set -u

works() {  # some systems have a `chromium-browser` that only says how to install one
    command -v "$1" >/dev/null 2>&1 && "$1" --version >/dev/null 2>&1
}

find_browser() {
    for candidate in "${IFLOW_CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable \
        "/Applications/Chromium.app/Contents/MacOS/Chromium" \
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"; do
        if [ -n "$candidate" ] && works "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

install() {
    [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1 || return 0
    echo "Installing $* …" >&2
    log=$(mktemp)
    if ! { apt-get update && DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout=300 "$@"; } >"$log" 2>&1; then
        tail -n 20 "$log" >&2
    fi
    rm -f "$log"
}

if [ -n "${IFLOW_CHROMIUM:-}" ] && ! works "$IFLOW_CHROMIUM"; then
    echo "IFLOW_CHROMIUM names $IFLOW_CHROMIUM, which does not run." >&2
    exit 1
fi

missing=""
command -v dot >/dev/null 2>&1 || missing="graphviz fonts-dejavu-core"
command -v npm >/dev/null 2>&1 || missing="$missing npm" # brings axe-core, see tests/browser/conftest.py
find_browser >/dev/null || missing="$missing chromium fonts-dejavu-core"
# shellcheck disable=SC2086  # a list of words
[ -z "$missing" ] || install $missing

find_browser
