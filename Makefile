# Everything sets itself up: `make demo` and `make test` are all that a fresh Debian machine (as root) needs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help demo test check unit test-long bench clean

help:
	@echo 'make demo       the proxy on real traffic between network namespaces, with a short account'
	@echo 'make test       linters, types, and all tests (make unit: those that need no root)'
	@echo 'make test-long  the same with more and larger traffic'
	@echo 'make bench      two TAPs and a mirror, ours beside QEMU'"'"'s'
	@echo 'make clean      removes what these made'

demo: $(READY)
	@.ci/install-tools demo
	@$(BIN)/python -m demo

test: check
	@.ci/install-tools test
	$(BIN)/pytest

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

unit: $(READY)
	$(BIN)/pytest --ignore=tests/system

test-long: check
	@.ci/install-tools test
	COLO_LONG=1 $(BIN)/pytest

bench: $(READY)
	@.ci/install-tools bench
	$(BIN)/python -m benchmarks

$(READY): pyproject.toml
	@.ci/install-tools python
	@echo 'Setting up $(VENV) (once, and when pyproject.toml changes)'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --upgrade pip 'setuptools>=77'
	@PYTHONWARNINGS=ignore $(BIN)/pip install --quiet --no-build-isolation -e '.[test]' --config-settings editable_mode=compat
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .hypothesis
