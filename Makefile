# make run    sets up and runs the pipeline on the real MNIST in data/mnist
# make check  lint, types and the light tests, in a minute
# make test   everything that proves the project
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
ARGS ?=

.PHONY: check tpu-check chaos fuzz bench bench-convert bench-train bench-streaming bench-validate run test test-images lint compile lock clean

run: $(VENV)/.installed
	$(BIN)/idxpipe run $(ARGS)

test: $(VENV)/.installed-test lint
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --cov $(ARGS)

# What needs neither TensorFlow nor Beam nor a server.
check: $(VENV)/.installed-test lint
	$(BIN)/pytest -q -n 2 --dist loadfile --light -m "not slow" $(ARGS)

lint: $(VENV)/.installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/hadolint Dockerfile Dockerfile.tpu
	$(BIN)/idxpipe compile --check

compile: $(VENV)/.installed
	$(BIN)/idxpipe compile

# The pinned versions: requirements.lock runs the project, requirements-test.lock also tests it,
# requirements-gpu.lock and requirements-tpu.lock are for the images of a GPU and a TPU.
# uv takes the newest requests before it looks at kfp, and then an older kfp that allows it.
NEWEST := <(echo 'kfp>=2.17')
COMPILE := UV_CUSTOM_COMPILE_COMMAND='make lock' uv pip compile --generate-hashes --python-version 3.11 --upgrade -c $(NEWEST)
lock:
	$(COMPILE) setup.py --extra all -o requirements.lock
	$(COMPILE) setup.py --extra all --extra test -c requirements.lock -o requirements-test.lock
	$(COMPILE) setup.py --extra all --extra gpu -c requirements.lock -o requirements-gpu.lock
	$(COMPILE) requirements-tpu.in -c requirements.lock -o requirements-tpu.lock

# Kills twenty real trainings at random instants, some five minutes; make test kills forks of one.
chaos: $(VENV)/.installed-test
	IDXPIPE_CHAOS=1 $(BIN)/pytest -s tests/train/test_kills.py

# Installs what each image installs into a fresh venv and runs it: 10 GB, some ten minutes in all.
test-images: $(VENV)/.installed-test
	IDXPIPE_TEST_IMAGES=1 $(BIN)/pytest tests/test_images.py

# Every recipe in both precisions, for a TPU of each generation: under an hour. `make test`
# compiles for one.
tpu-check: $(VENV)/.installed-test
	for recipe in seed fast best; do for precision in bfloat16 float32; do \
	  $(BIN)/idxpipe tpu-check --topology all --recipe $$recipe --precision $$precision $(ARGS) || exit; \
	done; done

# A minute or two; a test of `make test` makes 100,000 of them.
fuzz: $(VENV)/.installed-test
	IDXPIPE_FUZZ=2000000 $(BIN)/pytest -n 2 tests/core/idx/test_fuzz.py

bench: bench-validate bench-convert bench-train bench-streaming

# Ratios from interleaved runs; on a machine with other work they say little.
bench-convert: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks.convert

bench-validate: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks.validate

# PyTorch and JAX, to compare with, have a venv of their own: 6 GB. Without it they are left out.
bench-train: $(VENV)/.installed-test $(VENV)-bench/.installed
	$(BIN)/python -m benchmarks.train $(ARGS)

bench-streaming: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks.streaming

$(VENV)-bench/.installed: | $(VENV)/bin/python
	$(PYTHON) -m venv $(VENV)-bench
	-$(VENV)-bench/bin/python -m pip --disable-pip-version-check install --quiet torch jax numpy
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-bench out build *.egg-info .coverage* .*_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
	  { echo "error: python 3.11 is needed, the pinned versions are for it: make PYTHON=python3.11 ..."; exit 5; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.lock setup.py pyproject.toml | $(VENV)/bin/python
	@echo "installing the pinned dependencies into $(VENV): about 1 GB to fetch, once" >&2
	$(PIP) install --quiet --no-deps --require-hashes -r requirements.lock
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.installed-test: requirements-test.lock $(VENV)/.installed
	$(PIP) install --quiet --no-deps --require-hashes -r requirements-test.lock
	touch $@
