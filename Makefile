# `make demo` and `make test` set themselves up; nothing else is needed than Python 3.10+ and a package index.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test test-all check bench clean

$(VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

demo: $(VENV)/.ready
	$(BIN)/python tests/demo.py demo-output

test: $(VENV)/.ready
	$(BIN)/pytest -m "not slow and not benchmark"

test-all: $(VENV)/.ready
	$(BIN)/pytest -m "not benchmark"

check: $(VENV)/.ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/.ready
	$(BIN)/pytest -m benchmark -s tests/benchmarks

clean:
	rm -rf $(VENV) demo-output
