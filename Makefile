# geopush: every command a person or CI needs. `make help` lists them.
# The commands set up what they need; stamp files make the second run start at once.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
RUNTIME := $(VENV)/.runtime
TOOLS := $(VENV)/.tools

help: ## List the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(RUNTIME): deploy/requirements.txt
	bash deploy/venv.sh "$(PYTHON)" $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r deploy/requirements.txt
	touch $@

$(TOOLS): $(RUNTIME) deploy/requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r deploy/requirements-dev.txt
	touch $@
