# Each target sets up .venv itself: Python 3.11, pip and make are all it needs (uv where present).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
install = $(if $(shell command -v uv 2>/dev/null),uv pip install --python $(1)/python -q,$(1)/python -m pip install -q --disable-pip-version-check)
LIMITS := -c constraints.txt
AZUREML := .venv-azureml
DATABASE ?= sqlite
export MLFLOW_DISABLE_TELEMETRY := true

.PHONY: demo serve test test-azureml bench bench-scale lint fuzz image-check openapi clean
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
	DATABASE=$(DATABASE) $(BIN)/python -m examples.demo

serve: $(VENV)/run.stamp  ## the service on this machine (needs EVIDENCE_SERVICE_TRACKING_URI)
	$(BIN)/python -m api

# An environment of its own: azureml-mlflow does not go with the newest mlflow.
$(AZUREML)/bin/python:
	$(PYTHON) -m venv $(AZUREML)

$(AZUREML)/test.stamp: setup.cfg constraints-azureml.txt | $(AZUREML)/bin/python
	$(call install,$(AZUREML)/bin) -c constraints-azureml.txt -e '.[azureml,report]' pytest requests-mock
	@touch $@

test: $(VENV)/dev.stamp $(AZUREML)/test.stamp  ## every test
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)
	$(AZUREML)/bin/python -m pytest tests/azureml

test-azureml: $(AZUREML)/test.stamp  ## only what needs Azure ML's own client
	$(AZUREML)/bin/python -m pytest tests/azureml $(ARGS)

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
	rm -rf $(VENV) $(AZUREML) demo/out bench/out build *.egg-info
