# `make quickstart` and `make test` set up .venv by themselves. `make UV=uv ...` sets it up with uv, which is faster.
VENV ?= .venv
PY ?= python3
BIN := $(VENV)/bin
WORKERS ?= 2
# A test worker is one thread, so that the workers do not fight over the cores.
PYTEST := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS)

.PHONY: help setup quickstart test test-all lint clean

help:            ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 16

$(VENV)/.ok: pyproject.toml constraints.txt
	@$(PY) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11, 5) <= v[:3] < (3, 14) else \
	  "signaltok needs Python 3.11.5 to 3.13, $(PY) is %d.%d.%d; name another: make PY=python3.12 ..." % v[:3])'
ifdef UV
	$(UV) venv -q --allow-existing --python $(PY) $(VENV)
	$(UV) pip install -q --python $(BIN)/python -c constraints.txt -e ".[all]"
else
	$(PY) -m venv $(VENV)
	$(BIN)/python -m pip install -q --no-compile --disable-pip-version-check -c constraints.txt -e ".[all]"
endif
	@touch $@

setup: $(VENV)/.ok  ## the environment in .venv

quickstart: $(VENV)/.ok  ## train, evaluate and export a small tokenizer on data/photos
	$(BIN)/python train.py experiment=quickstart
	$(BIN)/python eval.py run.path=outputs/latest
	$(BIN)/signaltok export outputs/latest outputs/latest/tokenizer --force
	@$(BIN)/signaltok inspect outputs/latest

lint: $(VENV)/.ok  ## style, types, and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

test: lint  ## lint and every test that is not slow
	$(PYTEST) -m "not slow"

test-all: $(VENV)/.ok  ## the slow tests
	$(PYTEST) -m slow

clean:  ## caches and build products; .venv and outputs stay
	rm -rf build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +
