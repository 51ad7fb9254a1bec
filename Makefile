# Each target sets up .venv itself: Python 3.11, pip and make are all it needs (uv where present).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
install = $(if $(shell command -v uv 2>/dev/null),uv pip install --python $(1)/python -q,$(1)/python -m pip install -q --disable-pip-version-check)
LIMITS := -c constraints.txt
AZUREML := .venv-azureml
PROGRAMS := .venv-programs
OLDEST := .venv-oldest
NEWEST := .venv-newest
SIGSTORE_JS := tests/interop/node_modules/ready.stamp
TWO := -n 2 --dist loadfile
# Each test here is a program or several, which import mlflow anew: they have a target of their own.
HOST := tests/host
# And these start whole services and kill them, or walk through a page of the documentation.
FAULTS := tests/faults tests/deploy tests/docs/test_forgeline.py
DATABASE ?= sqlite
export MLFLOW_DISABLE_TELEMETRY := true

.PHONY: demo serve test test-host test-faults test-azureml test-programs test-oldest test-matrix newest bench bench-scale lint fuzz image-check openapi clean
.DEFAULT_GOAL := help

help:  ## show this
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | sort | expand -t 16

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: setup.cfg constraints.txt | $(BIN)/python
	$(call install,$(BIN)) $(LIMITS) -e '.[api,demo]'
	@touch $@

$(VENV)/dev.stamp: setup.cfg constraints.txt | $(BIN)/python
	$(call install,$(BIN)) $(LIMITS) -e '.[api,dev]'
	@touch $@ $(VENV)/run.stamp

demo: $(VENV)/run.stamp  ## the whole product on real parts; writes demo/out/ (DATABASE=postgres)
	@$(MAKE) -s $(SIGSTORE_JS) || echo 'without sigstore-js, which could not be installed'
	DATABASE=$(DATABASE) $(BIN)/python -m examples.demo

serve: $(VENV)/run.stamp  ## the service on this machine (needs EVIDENCE_SERVICE_TRACKING_URI)
	$(BIN)/python -m api

# An environment of its own: azureml-mlflow does not go with the newest mlflow.
$(AZUREML)/bin/python:
	$(PYTHON) -m venv $(AZUREML)

$(AZUREML)/test.stamp: setup.cfg constraints-azureml.txt | $(AZUREML)/bin/python
	$(call install,$(AZUREML)/bin) -c constraints-azureml.txt -e '.[azureml,report]' jsonschema pytest pytest-xdist requests-mock
	@touch $@

# sigstore-js, where there is Node; without it the tests that need it are skipped, and say so.
$(SIGSTORE_JS): tests/interop/package.json tests/interop/package-lock.json
	@if command -v npm >/dev/null; then \
	    cd tests/interop && npm ci --ignore-scripts --no-audit --no-fund --silent && touch node_modules/ready.stamp; \
	else echo 'no npm: sigstore-js will not verify anything'; fi

test: $(VENV)/dev.stamp $(SIGSTORE_JS) $(AZUREML)/test.stamp  ## every test but those with a target of their own
	$(BIN)/python -m pytest $(TWO) $(patsubst %,--ignore=%,$(HOST) $(FAULTS)) $(ARGS)
	$(AZUREML)/bin/python -m pytest $(TWO) tests/azureml

test-host: $(VENV)/dev.stamp  ## the plugin in programs that train, also in hostile surroundings
	$(BIN)/python -m pytest $(TWO) $(HOST)

test-faults: $(VENV)/dev.stamp  ## services that are killed and starved, installed and operated; ForgeLine
	$(BIN)/python -m pytest $(TWO) $(FAULTS)

test-azureml: $(AZUREML)/test.stamp  ## only what needs Azure ML's own client
	$(AZUREML)/bin/python -m pytest tests/azureml $(ARGS)

# As heavy as two gigabytes, so in an environment of its own. Where there is no wheel of the pinned
# torch, what needs it is skipped.
$(PROGRAMS)/bin/python:
	$(PYTHON) -m venv $(PROGRAMS)

$(PROGRAMS)/test.stamp: setup.cfg constraints-programs.txt | $(PROGRAMS)/bin/python
	$(call install,$(PROGRAMS)/bin) -c constraints-programs.txt -e '.[programs,torch]' || \
		$(call install,$(PROGRAMS)/bin) -c constraints-programs.txt -e '.[programs]'
	@touch $@

test-programs: $(PROGRAMS)/test.stamp  ## other people's programs, unchanged, each run of theirs stamped
	$(PROGRAMS)/bin/python -m pytest -n 2 tests/programs $(ARGS)

# The oldest mlflow that is supported, and what pip finds today: the other columns of the matrix.
$(OLDEST)/bin/python $(NEWEST)/bin/python: %/bin/python:
	$(PYTHON) -m venv $*
	echo '*' > $*/.gitignore

$(OLDEST)/test.stamp: setup.cfg constraints-oldest.txt | $(OLDEST)/bin/python
	$(call install,$(OLDEST)/bin) -c constraints-oldest.txt -e . mlflow azureml-mlflow pytest pytest-xdist
	@touch $@

# Looked up again each time, and by pip: what somebody gets who bounds nothing.
newest: | $(NEWEST)/bin/python
	$(NEWEST)/bin/python -m pip install -q --disable-pip-version-check -U mlflow azureml-mlflow
	$(NEWEST)/bin/python -m pip install -q --disable-pip-version-check -e '.[report]' pytest pytest-xdist

# The parts that every environment has; tests/conftest.py is the service's.
CELLS = --confcutdir=tests/matrix tests/matrix/test_sqlite.py tests/matrix/test_http.py

test-oldest: $(OLDEST)/test.stamp  ## every way to a run, with the oldest mlflow; SQLite and HTTP
	$(OLDEST)/bin/python -m pytest $(TWO) $(CELLS)

test-matrix: $(OLDEST)/test.stamp $(AZUREML)/test.stamp newest  ## every way to a run, on every store, with three mlflows; writes docs/stamping.md
	for env in $(OLDEST) $(AZUREML) $(NEWEST); do \
		$$env/bin/python -m pytest $(TWO) $(CELLS) tests/azureml/test_paths.py \
			tests/azureml/test_old_client.py --junitxml=$$env/matrix.xml || exit 1; done
	$(AZUREML)/bin/python -m tests.matrix.table $(addsuffix /matrix.xml,$(OLDEST) $(AZUREML) $(NEWEST))

coverage: $(VENV)/dev.stamp  ## every test, with coverage
	$(BIN)/python -m coverage run -m pytest && $(BIN)/python -m coverage combine && $(BIN)/python -m coverage report

bench: $(VENV)/dev.stamp  ## side by side with the peers; writes bench/out/report.json
	$(BIN)/python -m bench $(ARGS)

bench-scale: $(VENV)/dev.stamp  ## a hundred thousand bundles, a million, mixed load; the same report
	$(BIN)/python -m bench.scale $(ARGS)

lint: $(VENV)/dev.stamp  ## ruff, mypy --strict, direction of imports
	$(BIN)/python -m ruff check . && $(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports

fuzz: $(VENV)/dev.stamp  ## schemathesis against a running service; SECONDS=120
	$(BIN)/python -m tests.fuzz $(or $(SECONDS),120)

image-check: $(VENV)/dev.stamp  ## build and run the image's file system, without an engine (root)
	$(BIN)/python -m tests.deploy.replay

openapi: $(VENV)/dev.stamp  ## write openapi.yaml from the service's code
	$(BIN)/python -m api.contract

clean:  ## remove what the other targets made
	rm -rf $(VENV) $(AZUREML) $(PROGRAMS) $(OLDEST) $(NEWEST) demo/out bench/out build *.egg-info
