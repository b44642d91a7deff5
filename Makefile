# One toolbox, the same at home and in CI. Needs only Python >= 3.11, make and a package registry.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
READY_EXTRAS := $(VENV)/.ready-extras
WEB := web/package-lock.json web/build.mjs web/icon.svg $(wildcard web/js/*.js web/css/*.css)
PAGES := src/lianfang/console/static/manifest.json
NPM := PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/npm --prefix web
MAKEFLAGS += --no-print-directory
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: run test check bench docs lock clean pages
.DEFAULT_GOAL := help

help:
	@echo "make run    start a node with simulated payments and watch it decide (Ctrl-C stops it)"
	@echo "make test   the tests          make check  ruff, mypy, import-linter, docs drift"
	@echo "make bench  the figures        make docs   write the generated reference pages"

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Lianfang needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Setting up $(VENV) (once; a minute or two) ..."
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $(READY)

# The console's scripts and styles: from the npm registry, by a Node.js that came as a Python package.
$(PAGES): $(READY) $(WEB)
	@$(NPM) ci --omit=dev --loglevel=error
	@$(BIN)/node web/build.mjs

# Spark, CatBoost and Go are large and optional: only the tests install them.
$(READY_EXTRAS): $(PAGES) requirements.extras.lock
	@echo "Setting up what only the tests need: Spark, CatBoost, Go, axe and Lighthouse (once; a minute or two) ..."
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements.extras.lock
	@$(NPM) ci --loglevel=error
	@touch $(READY_EXTRAS)

pages: $(PAGES)

run: $(PAGES)
	@$(BIN)/lianfang demo

test: $(READY_EXTRAS)
	@$(BIN)/python -m pytest -n 2 --dist loadfile

check: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m docs.generate --check

bench: $(PAGES)
	@$(BIN)/lianfang bench decide --json build/bench-decide.json

docs: $(READY)
	@$(BIN)/python -m docs.generate

# Pins every dependency with its hashes, for every platform and Python >= 3.11. Run after changing pyproject.toml.
lock:
	@$(PYTHON) -m venv build/lock && build/lock/bin/pip install --quiet uv
	@build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--extra dev pyproject.toml requirements.build.in -o requirements.lock
	@build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--extra dev --extra spark --extra catboost --extra go pyproject.toml requirements.build.in -c requirements.lock \
		-o requirements.extras.lock

clean:
	rm -rf $(VENV) build web/node_modules src/lianfang/console/static .mypy_cache .ruff_cache .pytest_cache
