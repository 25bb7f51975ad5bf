#!/bin/sh
# usage: tools/run_tests.sh BIN STEP…
#
# Runs the given steps one after the other with the programs in BIN, also after one has failed, and says at the end
# which passed, which failed and what could not be run.  A browser that is missing is a failure only where CI=true,
# since a contributor's machine need not have one.
set -u
cd "$(dirname "$0")/.." || exit 2
bin=$1
shift

CANNOT=77  # what a step returns that cannot be run here, as in the GNU build system
missing_browser="the browser tests: there is no Chromium here. Install one, or set IFLOW_CHROMIUM to the path of one."

lint() {
    "$bin/ruff" check --quiet . && "$bin/ruff" format --quiet --check .
}

types() {
    "$bin/mypy" --no-error-summary
}

layers() {
    PYTHONPATH=. "$bin/lint-imports" --no-logo
}

unit() {
    "$bin/python" -m pytest --quiet --ignore=tests/browser
}

notebooks() {
    "$bin/python" -m pytest --quiet --nbval --nbval-current-env --nbval-sanitize-with notebooks/nbval_sanitize.cfg notebooks
}

browser() {
    [ -n "$IFLOW_CHROMIUM" ] || return "$CANNOT"
    "$bin/python" -m pytest --quiet tests/browser
}

# First of all, since it installs Graphviz too, which other tests use where it is there.
case " $* " in
    *" browser "*)
        IFLOW_CHROMIUM=$(tools/setup_browser.sh)
        export IFLOW_CHROMIUM
        ;;
esac

passed=""
failed=""
not_run=""
for step in "$@"; do
    printf '\n== %s\n' "$step"
    began=$(date +%s)
    "$step"
    case $? in
        0) outcome=passed passed="$passed $step" ;;
        "$CANNOT") outcome="NOT RUN" not_run="$not_run $step" ;;
        *) outcome=FAILED failed="$failed $step" ;;
    esac
    printf '== %s: %s, %d s\n' "$step" "$outcome" "$(($(date +%s) - began))"
done

printf '\nPassed:%s\n' "${passed:- nothing}"
if [ -n "$not_run" ]; then
    printf '\n****\n**** NOT RUN: %s\n****\n\n' "$missing_browser"
    [ "${CI:-}" = true ] && failed="$failed$not_run"
fi
if [ -n "$failed" ]; then
    printf 'FAILED:%s\n' "$failed"
    exit 1
fi
