# Every target sets up .venv by itself. Needs Python 3.11 or newer, make and git.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TEST_PROCESSES ?= 3
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

.PHONY: demo test check bench examples clean setup

demo: $(READY)  ## Search a CNN for handwritten digits, and show the best configurations
	$(BIN)/goodfit run examples/digits.yaml

test: $(READY)  ## All tests
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile

check: $(READY)  ## Formatting, lint, types, imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)  ## Measure against the peers; takes some minutes
	$(BIN)/python -m benchmarks

examples: $(READY)  ## Run every example in full and print what the winners do on unseen data
	$(BIN)/python -m benchmarks.examples

clean:  ## Take out what the other targets made
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist *.egg-info
	find service trainers search_spaces tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

setup: $(READY)

# Compiled at once: a command line that starts in a moment needs its bytecode.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Goodfit needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv || echo "uv is not to be had; pip does it, more slowly"
	if test -x $(BIN)/uv; then \
	  $(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode -c constraints.txt -e '.[test]'; \
	else \
	  $(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test]'; \
	fi
	$(BIN)/python -m compileall -q service trainers search_spaces
	touch $(READY)
