# Every target sets up .venv by itself. Needs Python 3.11 or newer, make and git.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TEST_PROCESSES ?= 4
COMPOSE ?= docker compose
STACK ?= .stack
WORKERS ?= 2
export PIP_DISABLE_PIP_VERSION_CHECK = 1

# uv reads none of pip's settings: hand on the ones that say where packages are.
ifneq ($(PIP_FIND_LINKS),)
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
endif
ifneq ($(PIP_INDEX_URL),)
export UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
endif
ifneq ($(PIP_EXTRA_INDEX_URL),)
export UV_INDEX ?= $(PIP_EXTRA_INDEX_URL)
endif

.PHONY: demo test check openapi reference docs wheel lowest bench bench-search bench-diff soak examples clean setup up down logs engine .env stack stack-down stack-status stack-upgrade

demo: $(READY)  ## Search a CNN for handwritten digits, and show the best configurations
	$(BIN)/goodfit run examples/digits.yaml

test: $(READY)  ## All tests
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

check: $(READY)  ## Formatting, lint, types, imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

openapi: $(READY)  ## Write the HTTP API as an OpenAPI document: docs/openapi.json
	$(BIN)/python -m goodfit.service.server.document docs/openapi.json

reference: $(READY)  ## Write the tables of keys in docs/study_file.md from the models
	$(BIN)/python docs/hooks.py

docs: $(READY)  ## The pages of docs/ as a site in build/site, with references from the code; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict

wheel:  ## Build the wheel, install it into an empty environment, and run a study outside the repository
	$(PYTHON) -m deploy.wheel

lowest:  ## The tests with the oldest versions of the libraries that pyproject.toml allows, in .venv-lowest
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet uv
	.venv-lowest/bin/uv pip install --quiet --python .venv-lowest/bin/python --resolution lowest-direct -e '.[test]'
	.venv-lowest/bin/python -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

soak: $(READY)  ## The long tests; among them every part of the service is killed, SOAK_ROUNDS (10) times or for SOAK_MINUTES
	$(BIN)/python -m pytest tests -m soak -s

bench: $(READY)  ## Measure against the peers; takes some minutes; keeps the figures in benchmarks/results/
	$(BIN)/python -m benchmarks

bench-search: $(READY)  ## Measure searches in virtual time and write docs/searches.md; LCBENCH=folder of the surrogate, SEARCH=options
	$(BIN)/python -m benchmarks.search $(if $(LCBENCH),--data $(LCBENCH)) $(SEARCH)

bench-diff: $(READY)  ## The figures of the two newest versions side by side
	$(BIN)/python -m benchmarks.difference

examples: $(READY)  ## Run every example in full and print what the winners do on unseen data
	$(BIN)/python -m benchmarks.examples

up: engine .env  ## Start the service in containers; makes .env, and passwords in secrets/, if they are missing
	$(COMPOSE) up --detach --build --wait
	@echo "Goodfit is up: http://127.0.0.1:$$($(PYTHON) -m deploy.dotenv value GOODFIT_PORT 8000); the first token: $(COMPOSE) exec goodfit goodfit token create --role admin --name first-admin"

down: engine  ## End the containers; volumes stay
	$(COMPOSE) down

logs: engine  ## Follow what the containers say
	$(COMPOSE) logs --follow --tail 100

engine:
	@$(COMPOSE) version >/dev/null 2>&1 || { echo "there is no container engine here ('$(COMPOSE)' is missing): install Docker with Compose, or start the same commands as plain processes with 'make stack'" >&2; exit 1; }
	@$(firstword $(COMPOSE)) info >/dev/null 2>&1 || { echo "the container engine does not answer ('$(firstword $(COMPOSE)) info'): start it, or start the same commands as plain processes with 'make stack'" >&2; exit 1; }

.env:
	@$(PYTHON) -m deploy.dotenv make

stack: $(READY)  ## Start the service as plain processes in $(STACK), with $(WORKERS) Ray worker nodes
	@$(BIN)/python -m deploy.stack up --folder $(STACK) --workers $(WORKERS)

stack-down: $(READY)  ## End exactly what `make stack` started; its data stay in $(STACK)
	@$(BIN)/python -m deploy.stack down --folder $(STACK)

stack-upgrade: $(READY)  ## Bring the databases of a stack that is down to the version of this code
	@$(BIN)/python -m deploy.stack upgrade --folder $(STACK)

stack-status: $(READY)  ## Say which parts are up, where they answer, and what a user sets
	@$(BIN)/python -m deploy.stack status --folder $(STACK)

clean:  ## Take out what the other targets made
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist *.egg-info
	find goodfit service trainers search_spaces deploy tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

setup: $(READY)

# Compiled at once: a command line that starts in a moment needs its bytecode.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Goodfit needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv || echo "uv cannot be installed; pip takes its place, more slowly"
	if test -x $(BIN)/uv; then \
	  $(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode -c constraints.txt -e '.[test]'; \
	else \
	  $(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test]'; \
	fi
	$(BIN)/python -m compileall -q goodfit deploy
	touch $(READY)
