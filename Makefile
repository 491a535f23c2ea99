# Every target does its own set-up: it needs Python 3.11 or newer and make, and the network the first time.

PYTHON ?= python3
SEEDS ?= 1000
SOAK_SEEDS ?= 20000
MEGABYTES ?= 200
MINUTES ?= 30
# Two more than there are processors: tests with servers wait for them half of their time.
WORKERS ?= $(shell $(PYTHON) -c "import os; print((os.cpu_count() or 1) + 2)")

# Tests start hundreds of processes: where the environment forbids Python to keep what it has compiled, each of them would
# compile all modules anew, and that takes as long as everything else that it does.
export PYTHONDONTWRITEBYTECODE :=

BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable

WHEEL := build/wheel

.PHONY: help demo test wheel-test lint sim soak trial fuzz bench docs-check
.DELETE_ON_ERROR:

help:
	@echo "make demo        a day at a small company, in a temporary folder"
	@echo "make test        all tests, by $(WORKERS) processes (WORKERS=n)"
	@echo "make wheel-test  unit and command tests against the installed wheel, away from the sources"
	@echo "make lint        format, style, types and the direction of imports"
	@echo "make sim         the simulation, $(SEEDS) seeds (SEEDS=n)"
	@echo "make soak        the simulation, $(SOAK_SEEDS) seeds (SOAK_SEEDS=n)"
	@echo "make trial       five nodes at real mail servers, all the trouble of mail at once (MEGABYTES=n)"
	@echo "make fuzz        coverage-guided fuzzing, $(MINUTES) minutes for each target (MINUTES=n)"
	@echo "make bench       the figures, as ratios in one run"
	@echo "make docs-check  every command in the documentation"

demo: .venv/installed-test
	@$(BIN)/replicator demo

test: .venv/installed-test
	$(BIN)/python -m pytest -n $(WORKERS) -q tests

# The wheel in an environment of its own, and the tests in a folder where no source can be imported by mistake.
wheel-test:
	@rm -rf $(WHEEL)
	@$(PYTHON) -m venv $(WHEEL)/venv
	@$(WHEEL)/venv/bin/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir $(WHEEL) .
	@$(WHEEL)/venv/bin/python -m pip install --quiet --disable-pip-version-check "$$(echo $(WHEEL)/*.whl)[test]"
	@mkdir $(WHEEL)/away && cp -r tests bench $(WHEEL)/away
	cd $(WHEEL)/away && ../venv/bin/python -m pytest -n auto -q tests/unit tests/integration/test_setup_commands.py

lint: .venv/installed-lint
	@mkdir -p build
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@echo "Importing every test ..."
	@$(BIN)/python -m pytest --collect-only -qq tests >build/collected 2>&1 || { cat build/collected; exit 1; }

sim: .venv/installed-test
	$(BIN)/python -m tests.simulation --seeds $(SEEDS)

soak: .venv/installed-test
	$(BIN)/python -m tests.simulation --seeds $(SOAK_SEEDS)

trial: .venv/installed-test
	$(BIN)/python -m tests.servers.trial --megabytes $(MEGABYTES)

fuzz: .venv/installed-fuzz
	@for target in mime envelope codec exchange; do \
	  $(BIN)/python -m tests.fuzzing $$target --minutes $(MINUTES) || exit 1; done

bench: .venv/installed-test
	$(BIN)/python -m bench

docs-check: .venv/installed-test
	$(BIN)/python -m pytest -q tests/docs

# Set-up. The stamp files are older than pyproject.toml when it has changed: then all is installed again.

.venv/installed-test: pyproject.toml | .venv/bin/pip
	@echo "Installing the replicator and what its tests need into .venv ..."
	@$(INSTALL) '.[test]'
	@touch $@

.venv/installed-lint: pyproject.toml | .venv/bin/pip
	@echo "Installing the replicator and what its tests and checks need into .venv ..."
	@$(INSTALL) '.[test,lint]'
	@touch $@

.venv/installed-fuzz: pyproject.toml | .venv/bin/pip
	@echo "Installing the replicator and what fuzzing needs into .venv ..."
	@$(INSTALL) '.[test,fuzz]'
	@touch $@

# pip is the last thing that venv installs, so a half-made environment is made again.
.venv/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "The replicator needs Python 3.11 or newer, and '$(PYTHON)' is not: name one that is, such as 'make PYTHON=python3.11 test'." >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { \
	  echo "Python can't make a virtual environment: on Debian and Ubuntu, 'apt install python3-venv' helps." >&2; exit 1; }
