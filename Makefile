# What people do with a checkout.  Each command first makes the environment it needs (.venv); that takes a minute or
# two once, and nothing afterwards, until pyproject.toml changes.

PYTHON ?= python3
VENV ?= .venv

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
BENCH ?=
NOTEBOOK ?= notebooks/01_video_workflow.ipynb

# Jupyter refuses to run as root unless told that this is meant, as it is in a container.
LAB_OPTIONS ?= $(if $(filter 0,$(shell id -u)),--allow-root)

.DEFAULT_GOAL := help
.PHONY: help demo lab test bench check lint types layers unit notebooks browser coverage format clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.demo  ## run the video workflow in the terminal
	@$(BIN)/python -m interactive_flow demo

lab: $(VENV)/.lab  ## open the video workflow in JupyterLab
	@$(BIN)/jupyter-lab $(LAB_OPTIONS) --LabApp.default_url=/lab/tree/$(NOTEBOOK)

test: $(VENV)/.dev  ## run everything there is to check: style, types, layers, tests, notebooks, browser
	@tools/run_tests.sh $(BIN) lint types layers unit notebooks browser

check: $(VENV)/.dev  ## only style, types and layers: a few seconds
	@tools/run_tests.sh $(BIN) lint types layers

lint types layers unit notebooks browser: $(VENV)/.dev  # one part of `make test`
	@tools/run_tests.sh $(BIN) $@

bench: $(VENV)/.bench  ## measure what a task costs here and elsewhere, and write docs/benchmarks.md (BENCH=--quick: 3 minutes)
	@$(BIN)/python benchmarks/run.py $(BENCH)

coverage: $(VENV)/.dev  ## run the unit tests and show which lines they miss
	@$(BIN)/python -m coverage run -m pytest --quiet --ignore=tests/browser
	@$(BIN)/python -m coverage report

format: $(VENV)/.dev  ## lay out the code, and mend what ruff can mend
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format .

clean:  ## remove the environment and everything else that was made
	@rm -rf $(VENV) build dist .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# -- environments: one directory, filled as far as a command needs it --------------------------------------------------

# `pip install --group` came with pip 25.1; Python 3.11 brings an older one.
$(VENV)/.base:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed; name one: make PYTHON=python3.12 …" >&2; exit 1; }
	@echo "Setting up $(VENV) …"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(PIP) install --upgrade "pip>=25.1"
	@touch $@

$(VENV)/.demo: pyproject.toml | $(VENV)/.base
	@$(PIP) install --editable ".[terminal,examples]"
	@touch $@

$(VENV)/.lab: pyproject.toml | $(VENV)/.base
	@$(PIP) install --editable ".[notebook,processes,terminal,examples]" --group lab
	@touch $@ $(VENV)/.demo

$(VENV)/.dev: pyproject.toml | $(VENV)/.base
	@$(PIP) install --editable ".[notebook,processes,terminal,examples]" --group dev
	@touch $@ $(VENV)/.demo $(VENV)/.lab

# What is compared with is optional: a peer that cannot be installed is left out, and the tables say so.
$(VENV)/.bench: benchmarks/requirements.txt | $(VENV)/.dev
	@sed -e 's/ *#.*//' -e '/^$$/d' $< | while read -r peer; do \
	  $(PIP) install "$$peer" || echo "left out of the benchmarks: $$peer" >&2; done
	@touch $@
