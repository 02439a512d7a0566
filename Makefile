# The index of what can be done here; `make help` prints it. Needs Python 3.11 or newer and make, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TOOLS := build/tools
RUN_READY := $(VENV)/.run-ready
DEV_READY := $(VENV)/.dev-ready
PYTEST := $(BIN)/python -m pytest
EVERYDAY := "not aws and not browser and not drill and not emulator and not images"
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Bytecode is kept, whatever the shell says: many processes start here, each of which would compile all anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test test-emulator check fix provider bench drill browser images package templates deploy docs lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(RUN_READY) ## Start the whole platform on this machine, sample documents loaded (Ctrl-C stops it)
	@exec $(BIN)/ragstone up

test: $(DEV_READY) ## Run every test that needs no browser and no account
	$(PYTEST) -m $(EVERYDAY) -n 2 --ignore tests/e2e
	$(PYTEST) -m $(EVERYDAY) tests/e2e

test-emulator: $(DEV_READY) ## Run the suites for a real AWS account, and deploy, on an emulator of it
	@$(TOOLS)/emulator/bin/python -c 'import ministack' 2>/dev/null || $(PYTHON) -m venv $(TOOLS)/emulator
	@$(TOOLS)/emulator/bin/python -m pip install --quiet --no-deps --require-hashes -r requirements/emulator.txt
	$(BIN)/python -m tests.fakes.emulator $(TOOLS)/emulator/bin/python

check: $(DEV_READY) ## Check format, lint, types, import rules and documents
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python infra/docs.py --check

fix: $(DEV_READY) ## Mend format and what lint can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

provider: $(DEV_READY) ## Serve a model provider for tests, which fails as its models' names say
	@exec $(BIN)/python -m tests.fakes.openai_provider

bench: $(DEV_READY) ## Print the performance figures of this machine
	$(BIN)/python -m bench

drill: $(DEV_READY) ## Run the long crash drills
	$(PYTEST) -m drill

browser: $(DEV_READY) ## Run the tests that need Chromium
	$(PYTEST) -m browser

images: $(DEV_READY) ## Build the images, and run the platform in them (needs root, buildah and mmdebstrap)
	$(BIN)/python -m tests.images.building
	$(PYTEST) -m images tests/images

package: $(DEV_READY) ## Build the Lambda package of the edge, and its template, and check them
	$(BIN)/python -m infra.build_edge --check

templates: $(DEV_READY) ## Check the deployment templates
	@$(foreach tool,templates hardening policies,$(TOOLS)/$(tool)/bin/python -c '' 2>/dev/null || $(PYTHON) -m venv $(TOOLS)/$(tool); \
	$(TOOLS)/$(tool)/bin/python -m pip install --quiet --no-deps --require-hashes -r requirements/$(tool).txt \
	  || { echo "$(tool): cannot be installed here"; rm -rf $(TOOLS)/$(tool); };)
	$(BIN)/python -m infra.check_templates

deploy: $(DEV_READY) ## Build the images and deploy to AWS (docs/operations.md says what it needs)
	$(BIN)/python -m infra.deploy

docs: $(DEV_READY) ## Make the generated documents anew
	$(BIN)/python infra/docs.py

lock: ## Make the lock files anew (needs uv)
	requirements/compile.sh

clean: ## Remove the virtual environment and caches, never the data folder
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("Ragstone needs Python 3.11 or newer; this is %s. Try: make PYTHON=python3.12" % sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(RUN_READY): requirements/run.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/run.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV_READY): requirements/dev.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@ $(RUN_READY)
