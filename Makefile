# make run    sets up and runs the pipeline on the real MNIST in data/mnist
# make check  lint, types and the light tests, in a minute
# make test   everything that proves the project
SHELL := /bin/bash
# The newest that TensorFlow has wheels for; a name may be there without an interpreter behind it.
PYTHON ?= $(shell for name in python3.13 python3.12 python3.11 python3; do \
  $$name -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null \
  && { echo $$name; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
TOOLS := $(VENV)-tools/bin
# uv fetches and unpacks side by side: a sixth to a half of pip's time.
UV := $(shell command -v uv 2>/dev/null)
# No source distribution is built but this one, and by nothing but what requirements-build.lock pins.
BUILT := --no-build-isolation --only-binary :all: --no-binary kfp-server-api
PIP := $(if $(UV),$(UV) pip install --python $(BIN)/python,$(BIN)/python -m pip --disable-pip-version-check install)
ARGS ?=

.PHONY: audit check dist extras light sbom test-pythons test-extras tpu-check chaos fuzz images test-fresh bench bench-convert bench-train bench-streaming bench-validate run test test-images lint compile lock clean

run: $(VENV)/.installed
	$(BIN)/idxpipe run $(ARGS)

# Where it is set, as in many images, a thousand processes compile the project anew: a twelfth of the time.
test: export PYTHONDONTWRITEBYTECODE :=
test: $(VENV)/.installed-test lint
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder --cov $(ARGS)

# What needs neither TensorFlow nor Beam nor a server.
check: lint light

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
# requirements-gpu.lock and requirements-tpu.lock are for the images of a GPU and a TPU,
# requirements-build.lock builds what has no wheel, requirements-tools.lock is for maintaining.
# uv takes the newest requests before it looks at kfp, and then an older kfp that allows it.
NEWEST := <(echo 'kfp>=2.17')
COMPILE := UV_CUSTOM_COMPILE_COMMAND='make lock' $(TOOLS)/uv pip compile --universal --generate-hashes --python-version 3.11 --upgrade -c $(NEWEST)
lock: $(VENV)-tools/.installed
	$(COMPILE) setup.py --extra all -o requirements.lock
	$(COMPILE) setup.py --extra all --extra test -c requirements.lock -o requirements-test.lock
	$(COMPILE) setup.py --extra all --extra gpu -c requirements.lock -o requirements-gpu.lock
	$(COMPILE) requirements-tpu.in -c requirements.lock -o requirements-tpu.lock
	printf '%s\n' setuptools wheel | $(COMPILE) - -c requirements.lock -o requirements-build.lock
	printf '%s\n' build cyclonedx-bom pip-audit uv | $(COMPILE) - -c requirements-test.lock -o requirements-tools.lock

# Known vulnerabilities of all that is pinned. Where nobody can be asked: of what it would be.
audit: $(VENV)-tools/.installed
	$(TOOLS)/python tests/machines/audit.py $(TOOLS)/pip-audit $(ARGS)

# What is in the images, as CycloneDX: dist/sbom-IMAGE.cdx.json.
sbom: $(VENV)-tools/.installed
	mkdir -p dist
	for name in idxpipe:requirements idxpipe-gpu:requirements-gpu idxpipe-tpu:requirements-tpu; do \
	  $(TOOLS)/cyclonedx-py requirements $${name#*:}.lock --output-reproducible --output-file dist/sbom-$${name%:*}.cdx.json || exit; \
	done

# Kills conversions, real trainings and whole runs at random instants, damages files, fills disks, starts
# two runs at once, and ends with a table; make test does a little of each.
chaos: $(VENV)/.installed-test
	IDXPIPE_CHAOS=1 $(BIN)/pytest -s tests/convert/test_kills.py tests/train/test_kills.py \
	  tests/end_to_end/test_chaos.py tests/end_to_end/test_changing.py \
	  tests/end_to_end/test_mutations.py \
	  tests/end_to_end/test_gcs.py::test_faults_on_the_way_change_nothing \
	  tests/end_to_end/test_gcs.py::test_faults_on_the_way_to_s3_change_no_figure

# Builds idxpipe and idxpipe-tpu, with docker or buildah. BASE=debian where no registry is reached.
images: $(VENV)/.installed
	tests/machines/images.sh $(ARGS)

# Runs all stages inside the images, then installs what each image installs, that of a GPU too, into
# a fresh venv and runs it: 10 GB, half an hour in all.
test-images: $(VENV)/.installed-test images
	IDXPIPE_TEST_IMAGES=1 $(BIN)/pytest tests/end_to_end/test_image.py tests/test_images.py

# Each extra of setup.py alone in a fresh venv, and what is said without it: 15 GB, half an hour.
test-extras: $(VENV)/.installed-test
	IDXPIPE_TEST_EXTRAS=1 $(BIN)/pytest tests/end_to_end/test_extras.py

# README's two commands on a minimal Debian 12 and 13, as root with debootstrap: fifteen minutes.
test-fresh:
	tests/machines/fresh.sh $(ARGS)

# Every recipe in both precisions, for a TPU of each generation: under an hour. `make test`
# compiles for one.
tpu-check: $(VENV)/.installed-test
	for recipe in seed fast best; do for precision in bfloat16 float32; do \
	  $(BIN)/idxpipe tpu-check --topology all --recipe $$recipe --precision $$precision $(ARGS) || exit; \
	done; done

# Six readers by libFuzzer, which looks at what is covered, for ten minutes each, two at a time; then
# random mutations of IDX files, held against a peer's reader. `make test` does a little of both.
FUZZ := idx tfrecord manifest record yaml png
SECONDS ?= 600
fuzz: $(VENV)/.installed-test
	printf '%s\n' $(FUZZ) | xargs -P 2 -I{} $(BIN)/python -m tests.fuzz {} $(SECONDS)
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

# A wheel and a source distribution in dist/.
dist: $(VENV)-tools/.installed
	rm -rf build dist
	$(TOOLS)/python -m build --no-isolation

# What makes a release and keeps the locks, in a venv of its own: it needs nothing else.
$(VENV)-tools/.installed: requirements-build.lock requirements-tools.lock
	test -x $(TOOLS)/python || $(PYTHON) -m venv $(VENV)-tools
	$(TOOLS)/python -m pip --disable-pip-version-check install --quiet --no-deps --require-hashes --only-binary :all: -r requirements-build.lock -r requirements-tools.lock
	touch $@

# The light tests on each Python that is here and fits, each in a venv of its own: before a release.
PYTHONS ?= python3.11 python3.12 python3.13
test-pythons:
	@found=; for name in $(PYTHONS); do \
	  $$name -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null \
	    || { echo "$$name: not here" >&2; continue; }; \
	  found=1; echo "$$name: $$($$name --version)" >&2; \
	  $(MAKE) --no-print-directory PYTHON=$$name VENV=.venv-$${name##*/} light || exit; \
	done; test -n "$$found" || { echo "$$NO_PYTHON" >&2; exit 5; }

# What the extras gcp, array-record, dask and tpu-check bring, pinned as the tests have it.
extras: $(VENV)/.installed-test

light: $(VENV)/.installed-test
	$(BIN)/pytest -q -n 2 --dist loadfile --light -m "not slow" $(ARGS)

clean:
	rm -rf $(VENV) $(VENV)-* out build dist *.egg-info .coverage* .*_cache

define NO_PYTHON
error: no Python 3.11, 3.12 or 3.13 with venv was found
  to do:    Debian, Ubuntu: apt-get install python3-venv, which Debian 12 and Ubuntu 24.04 have in a version that fits
            Fedora: dnf install python3.13; macOS: brew install python@3.13; or get uv, https://docs.astral.sh/uv
            then again, or name it: make PYTHON=/path/to/python3.12 ...
endef
export NO_PYTHON

$(VENV)/bin/python:
	@test -n "$(PYTHON)" -o -n "$(UV)" || { echo "$$NO_PYTHON" >&2; exit 5; }
	@$(if $(UV),$(UV) venv --quiet --seed --python "$(or $(PYTHON),3.13)" $(VENV),$(PYTHON) -m venv $(VENV)) \
	  || { rm -rf $(VENV); echo "$$NO_PYTHON" >&2; exit 5; }

$(VENV)/.installed: requirements.lock requirements-build.lock setup.py pyproject.toml | $(VENV)/bin/python
	@echo "installing the pinned dependencies into $(VENV): about 1 GB to fetch, once" >&2
	$(PIP) $(if $(UV),,--quiet) --no-deps --require-hashes --only-binary :all: -r requirements-build.lock
	$(PIP) --no-deps --require-hashes $(BUILT) -r requirements.lock
	$(PIP) $(if $(UV),,--quiet) --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.installed-test: requirements-test.lock $(VENV)/.installed
	$(PIP) $(if $(UV),,--quiet) --no-deps --require-hashes $(BUILT) --no-binary google-apitools --no-binary idx2numpy --no-binary promise -r requirements-test.lock
	touch $@
