# Everything starts here: `make demo` builds and runs a first image, `make test` runs the tests.

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
HERMES := $(BIN)/hermes

.PHONY: setup demo test lint bench clean

# A virtual environment with Hermes in it, installed from this folder.
setup: $(VENV)/hermes
demo: $(VENV)/hermes
	$(HERMES) build //examples/hello:image
	$(HERMES) run //examples/hello:image -- --name "$${USER:-world}"

# Debian packages that tests use are installed when this is root; otherwise tests that miss one are skipped.
test: $(VENV)/test
	@tests/packages.sh
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Every figure in docs/speed.md, against the peers that are installed here. ARGS=--small is a quick look.
bench: $(VENV)/test
	@tests/packages.sh bench
	$(BIN)/python -m tests.bench $(ARGS)

clean:
	rm -rf $(VENV) hermes-out

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed: apt-get install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || { rm -rf $(VENV); \
		test "$$(id -u)" != 0 || { apt-get update -qq && apt-get install -y -qq python3-venv; }; \
		$(PYTHON) -m venv $(VENV) || { \
			rm -rf $(VENV); echo "install the Debian package python3-venv" >&2; exit 1; }; }

$(VENV)/hermes: $(VENV)/bin/python pyproject.toml
	@$(BIN)/pip install -q --disable-pip-version-check -e .
	@touch $@

$(VENV)/test $(VENV)/lint: $(VENV)/%: $(VENV)/bin/python pyproject.toml
	@$(BIN)/pip install -q --disable-pip-version-check -e '.[$*]'
	@touch $@ $(VENV)/hermes
