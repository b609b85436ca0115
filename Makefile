# geopush: every command a person or CI needs; `make` lists them.
# Each command sets up what it needs. Stamp files let the second run start at once.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime
TOOLS := $(VENV)/.tools
PIP_INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes
LOCK := $(BIN)/uv pip compile -q --upgrade

CONSOLE := gateway/console
CONSOLE_BUILT := $(CONSOLE)/dist/index.html
CONSOLE_PACKAGES := $(CONSOLE)/node_modules/.installed
FAULT_PACKAGES := tests/faults/node_modules/.installed
CONSOLE_SOURCES := $(shell find $(CONSOLE) \( -name node_modules -o -name dist -o -name '*.py' -o -name __pycache__ \) -prune -o -type f -print)
HAS_NODE = $(shell bash deploy/node.sh 2>/dev/null && echo yes)

.PHONY: help demo test serve check bench lock docs console wheel lint install clean

help: ## List the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(RUNTIME) ## Run the gateway with simulated shoppers in Helsinki; SECONDS=30 stops by itself
	@$(if $(HAS_NODE),$(MAKE) -s console,echo "Node 18 or newer is not here: the demo runs without its web console.")
	@$(BIN)/python -m gateway demo $(if $(SECONDS),--seconds $(SECONDS))

test: ## Run every test; installs what is missing from Debian first
	@bash deploy/debian.sh "make test" chromium=chromium nginx=nginx-light redis-server=redis-server \
		h2load=nghttp2-client node=nodejs npm=npm git=git curl=curl java=default-jre-headless
	@$(MAKE) -s $(TOOLS) $(FAULT_PACKAGES) console
	@$(BIN)/python -m pytest --numprocesses 3 --dist loadfile

serve: $(RUNTIME) ## Run the gateway (geopush serve); OPTIONS="--port 9000" are passed on
	@$(if $(HAS_NODE),$(MAKE) -s console,true)
	@$(BIN)/python -m gateway serve $(OPTIONS)

check: ## What CI runs: the README's test command on a clean checkout, then style, types and layers
	@bash .ci/readme-test
	@$(MAKE) -s lint

lint: $(TOOLS) $(CONSOLE_PACKAGES) ## Style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --quiet --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	npm --prefix $(CONSOLE) run --silent check

bench: $(TOOLS) ## Print the measured figures; DATA=FOLDER measures a city of your own
	@$(BIN)/python -m bench $(if $(DATA),--data $(DATA))

console: $(CONSOLE_BUILT) ## Build the web console

wheel: $(TOOLS) console ## Build the distribution into dist/
	$(BIN)/python -m build --no-isolation --wheel

lock: $(TOOLS) ## Pin every package again, with hashes, for Python 3.11.0 and newer
	$(LOCK) deploy/requirements.in -o deploy/requirements.txt
	$(LOCK) deploy/requirements-dev.in -o deploy/requirements-dev.txt

docs: $(RUNTIME) ## Write docs/reference.md and deploy/settings.example.toml from the code
	@PYTHONPATH=. $(BIN)/python docs/reference.py

install: $(RUNTIME) ## Create the virtual environment with the runtime packages only

clean: ## Remove everything the commands made
	rm -rf $(VENV) $(CONSOLE)/node_modules $(CONSOLE)/dist tests/faults/node_modules dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

$(BIN)/python:
	@bash deploy/venv.sh "$(PYTHON)" $(VENV)

$(RUNTIME): deploy/requirements.txt | $(BIN)/python
	@echo "Installing the runtime packages into $(VENV) …"
	@$(PIP_INSTALL) -r deploy/requirements.txt
	@touch $@

$(TOOLS): deploy/requirements-dev.txt $(RUNTIME)
	@echo "Installing the development packages into $(VENV) …"
	@$(PIP_INSTALL) -r deploy/requirements-dev.txt
	@touch $@

$(CONSOLE_PACKAGES): $(CONSOLE)/package-lock.json
	@bash deploy/node.sh
	@echo "Building the web console …"
	@npm --prefix $(CONSOLE) ci --silent
	@touch $@

$(FAULT_PACKAGES): tests/faults/package-lock.json
	@bash deploy/node.sh
	@npm --prefix tests/faults ci --silent
	@touch $@

$(CONSOLE_BUILT): $(CONSOLE_PACKAGES) $(CONSOLE_SOURCES)
	@npm --prefix $(CONSOLE) run --silent build -- --logLevel warn
	@touch $@
