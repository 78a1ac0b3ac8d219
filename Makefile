# Everything sets itself up: `make demo` and `make test` are all that a fresh Debian machine (as root) needs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# What the tests with guests of their own have built, for all clones (tests/support/colo_guest).
GUESTS := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/colo_twisted

# The virtual environment runs the sources as they stand; beside them compiled builds of them, for PYTHONPATH.
COMPILED := $(VENV)/compiled
BUILT := $(COMPILED)/.built
SANITIZED := $(VENV)/sanitized
SANITIZED_BUILT := $(SANITIZED)/.built
SOURCES := setup.py $(wildcard colo_twisted/*.py colo_twisted/*/*.py colo_twisted/*/*.pxd colo_twisted/*/*/*.py colo_twisted/*/*/*.pxd twisted/plugins/*.py)
WITH_COMPILED := PYTHONPATH="$(CURDIR)/$(COMPILED)"

# Python itself isn't sanitized: it must have the address sanitizer's library from the start, and each object in memory
# of its own. What is found aborts, so that pytest's faulthandler says in which test.
WITH_SANITIZED = PYTHONPATH="$(CURDIR)/$(SANITIZED)" LD_PRELOAD="$$(gcc -print-file-name=libasan.so)" PYTHONMALLOC=malloc \
	ASAN_OPTIONS=detect_leaks=0:intercept_strlen=0:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1:abort_on_error=1

.PHONY: help demo test check unit test-long test-sanitized bench compiled clean

help:
	@echo 'make demo       the primary is killed in mid-download, twice: what became of the client (COLO_DEMO_MB=300)'
	@echo 'make test       linters, types, and all tests (make unit: those that need no root)'
	@echo 'make test-long  the same with more and larger traffic'
	@echo 'make test-sanitized  the tests of compiled code with bounds checks and the address and undefined-behaviour sanitizers'
	@echo 'make compiled   a compiled build in $(VENV)/compiled, as those make it for themselves'
	@echo 'make bench      speed beside QEMU'"'"'s, judged by the goals (8 minutes): a table, docs/speed.json and docs/speed.svg'
	@echo 'make clean      removes what these made'

demo: $(BUILT)
	@.ci/install-tools demo
	@$(WITH_COMPILED) $(BIN)/python -m demo

test: check $(BUILT)
	@.ci/install-tools test
	$(BIN)/pytest
	$(WITH_COMPILED) $(BIN)/pytest --compiled --ignore=tests/system

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

unit: $(BUILT)
	$(BIN)/pytest --ignore=tests/system
	$(WITH_COMPILED) $(BIN)/pytest --compiled --ignore=tests/system

test-long: check $(BUILT)
	@.ci/install-tools test
	COLO_LONG=1 $(BIN)/pytest
	COLO_LONG=1 $(WITH_COMPILED) $(BIN)/pytest --compiled --ignore=tests/system

test-sanitized: $(SANITIZED_BUILT)
	@.ci/install-tools demo
	$(WITH_SANITIZED) $(BIN)/pytest --sanitized --capture=sys tests/packets tests/netdev tests/netfilter

bench: $(BUILT)
	@.ci/install-tools bench
	$(WITH_COMPILED) $(BIN)/python -m benchmarks --json docs/speed.json --picture docs/speed.svg

compiled: $(BUILT)

$(READY): pyproject.toml
	@.ci/install-tools python
	@echo 'Setting up $(VENV) (once, and when pyproject.toml changes)'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --upgrade pip 'setuptools>=77'
	@PYTHONWARNINGS=ignore $(BIN)/pip install --quiet --no-build-isolation -e '.[test]' --config-settings editable_mode=compat
	@touch $@

$(BUILT): COMPILE = required
$(SANITIZED_BUILT): COMPILE = sanitized
$(SANITIZED_BUILT): tests/support/sanitized.h
$(BUILT) $(SANITIZED_BUILT): $(READY) $(SOURCES)
	@echo 'Compiling packets/ (two minutes or so; again when a source changes)'
	@rm -rf build $(@D)
	@COLO_COMPILE=$(COMPILE) $(BIN)/pip install --quiet --no-deps --no-build-isolation --target $(@D) .
	@rm -rf build
	@touch $@

clean:
	rm -rf $(VENV) $(GUESTS) build dist *.egg-info .mypy_cache .ruff_cache .hypothesis
