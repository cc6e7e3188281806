# `make demo` and `make test` set themselves up; nothing else is needed than Python 3.10+ and a package index.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test test-all check schemas bench image test-container clean

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

schemas: $(VENV)/.ready
	$(BIN)/python -c "import json; from unionveil.manifest import Manifest as M; print(json.dumps(M.model_json_schema(), indent=1))" > metadata/manifest.schema.json
	$(BIN)/python -c "import json; from unionveil import AnonymizeConfig as C; print(json.dumps(C.model_json_schema(), indent=1))" > metadata/config.schema.json

bench: $(VENV)/.ready
	$(BIN)/pytest -m benchmark -s -p no:cacheprovider tests/benchmarks

# Both need a Docker engine; see docker/README.md.
image:
	docker/build.sh

test-container: image $(VENV)/.ready
	$(BIN)/pytest -m "engine and not benchmark" tests/docker

clean:
	rm -rf $(VENV) demo-output
