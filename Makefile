# `make demo` and `make test` set themselves up; they need only Python 3.10+ and a package index.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

# The tests start hundreds of processes, and without bytecode each would compile the whole package anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: docs demo test test-all test-training check check-coverage schemas prove fuzz bench compare-releases image test-container train train-plates evaluate-weights photos people clean

$(VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

demo: $(VENV)/.ready
	PYTHONPATH=tests/support $(BIN)/python tests/demo.py demo-output

# A test takes one core, so several run in parallel; `-n 0` in PYTEST_FLAGS runs them in order. Threads of linear algebra
# would wait for one another's cores, which makes tests that use it many times as slow.
test test-all check-coverage test-container fuzz: export OMP_NUM_THREADS := 1
PYTEST_FLAGS ?= --numprocesses auto --maxprocesses 4 --dist worksteal

test: $(VENV)/.ready
	$(BIN)/pytest $(PYTEST_FLAGS) -m "not slow and not prove and not benchmark"

test-all: $(VENV)/.ready
	$(BIN)/pytest $(PYTEST_FLAGS) -m "not prove and not benchmark"

check: $(VENV)/.ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# Coverage of the product by the fast tests, by package; fails below the floor in pyproject.toml. Takes about twice
# as long as `make test`.
check-coverage: export COVERAGE_FILE := $(CURDIR)/build/coverage/data
check-coverage: $(VENV)/.ready
	rm -rf build/coverage
	mkdir -p build/coverage
	$(BIN)/coverage run -m pytest $(PYTEST_FLAGS) -m "not slow and not prove and not benchmark"
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage json --quiet --fail-under 0 -o build/coverage/report.json
	$(BIN)/python tests/coverage_by_package.py build/coverage/report.json
	$(BIN)/coverage report --format=total

schemas: $(VENV)/.ready
	$(BIN)/python -c "import json; from unionveil.runs.schema import Manifest as M; print(json.dumps(M.model_json_schema(), indent=1))" > metadata/manifest.schema.json
	$(BIN)/python -c "import json; from unionveil import AnonymizeConfig as C; print(json.dumps(C.model_json_schema(), indent=1))" > metadata/config.schema.json

# Hours, not minutes: tests that are too long for every change and must pass before a release.
prove: $(VENV)/.ready
	$(BIN)/pytest --numprocesses 0 -m prove -s tests

# Runs damaged files of all formats through the whole pipeline; those that leak something are kept in fuzz-failures.
N ?= 3000
FUZZ_JOBS ?= $(shell nproc 2>/dev/null || echo 2)
fuzz: $(VENV)/.ready
	PYTHONPATH=tests/support $(BIN)/python -m fuzz --count $(N) --jobs $(FUZZ_JOBS) --failures fuzz-failures

# Compares the outputs of two commits, byte by byte: a refactoring must not change them.
compare-releases: $(VENV)/.ready
	@test -n "$(OLD)" || { echo "name the commit to compare with: OLD=COMMIT" >&2; exit 1; }
	PYTHONPATH=tests/support $(BIN)/python tests/compare_releases.py $(OLD) $(NEW)

# The documents as a site, in build/site; fails on a link that leads nowhere.
$(VENV)-docs/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)-docs
	$(VENV)-docs/bin/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	@touch $@

docs: $(VENV)-docs/.ready
	$(VENV)-docs/bin/python docs/build_site.py build/docs
	$(VENV)-docs/bin/zensical build --clean --strict

bench: $(VENV)/.ready
	$(BIN)/pytest -m benchmark -s -p no:cacheprovider tests/benchmarks

# Both need a Docker engine; see docker/README.md.
image:
	docker/build.sh

test-container: image $(VENV)/.ready
	$(BIN)/pytest -m "engine and not prove and not benchmark" tests/docker tests/publish

# Training needs labelled photos (PEOPLE=FOLDER) and published models (MODELS=FOLDER), which the repository does
# not contain; algorithm/training/README.md describes both.
PEOPLE ?=
MODELS ?=
TRAIN_WORK ?= build/training
HOURS ?= 8
FONTS ?=
MINUTES ?= 60
TRAIN_BIN := $(VENV)-train/bin

# $(call need,VARIABLE,what it names,a member of the folder)
need = @test -n "$($1)" || { echo "name the folder of $2 with $1=FOLDER" >&2; exit 1; }; \
	test -e "$($1)/$3" || { echo "$1=$($1) has no $3: name the folder of $2" >&2; exit 1; }

photos:
	$(call need,PEOPLE,labelled photos,validation/)

people: photos
	$(call need,MODELS,published models,yunet_n_dynamic.onnx)

$(VENV)-train/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)-train
	$(TRAIN_BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test-training]'
	@touch $@

# Types are checked here, because without torch `make check` could not check them. Tests that need the
# photos or the models skip without PEOPLE= and MODELS=.
test-training: $(VENV)-train/.ready
	$(TRAIN_BIN)/mypy --package training
	$(TRAIN_BIN)/mypy $(wildcard tests/training/*.py tests/training/*/*.py)
	PEOPLE="$(PEOPLE)" MODELS="$(MODELS)" $(TRAIN_BIN)/pytest tests/training

# By default glibc returns large blocks to the system at once; requesting them again takes a sixth of the time.
KEEP_MEMORY := MALLOC_ARENA_MAX=1 MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=17179869184

# From random weights; TRAIN_FLAGS="--init algorithm/unionveil/weights/retinaface.onnx" starts from the committed
# ones, TRAIN_FLAGS=--resume continues from the last checkpoint.
train: people $(VENV)-train/.ready
	$(TRAIN_BIN)/python -m training.teachers.label --people "$(PEOPLE)" --cache $(TRAIN_WORK)/pixels.u8 --out $(TRAIN_WORK)/centerface.jsonl
	$(KEEP_MEMORY) $(TRAIN_BIN)/python -m training.train --people "$(PEOPLE)" --work $(TRAIN_WORK) --teacher-boxes $(TRAIN_WORK)/centerface.jsonl --distill "$(MODELS)/yunet_n_dynamic.onnx" --hours $(HOURS) $(TRAIN_FLAGS)
	$(TRAIN_BIN)/python -m training.export --work $(TRAIN_WORK) --out $(TRAIN_WORK)/weights --threshold 0.5

# Number plates, from random weights; FONTS are files of fonts, MINUTES the length of the run.
train-plates: photos $(VENV)-train/.ready
	$(TRAIN_BIN)/python -m training.plates.train --people "$(PEOPLE)" --fonts $(FONTS) --minutes $(MINUTES) --out build/plates $(PLATES_FLAGS)

# EVALUATE_FLAGS="--weights FOLDER" evaluates weights that were exported to another folder.
evaluate-weights: people $(VENV)-train/.ready
	$(TRAIN_BIN)/python -m training.evaluate --people "$(PEOPLE)" --models "$(MODELS)" --cache $(TRAIN_WORK)/found --out $(TRAIN_WORK)/results.json $(EVALUATE_FLAGS)
	$(TRAIN_BIN)/python -m training.evaluate.tables --results $(TRAIN_WORK)/results.json
	$(TRAIN_BIN)/python -m training.evaluate.plot --results $(TRAIN_WORK)/results.json --out $(TRAIN_WORK)/recall.png

clean:
	rm -rf $(VENV) $(VENV)-train $(VENV)-docs demo-output build/docs build/site
