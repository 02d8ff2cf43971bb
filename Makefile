VENV ?= .venv
PY ?= python3
BIN := $(VENV)/bin
# A faster installer where it is at hand: make setup PIP="uv pip install --python .venv/bin/python"
PIP ?= $(BIN)/python -m pip install -q
RUN ?= outputs/latest
CODE := tokenizers train.py eval.py tests benchmarks data/fetch notebooks

.DEFAULT_GOAL := help
.PHONY: help setup quickstart test test-all lint format clean

help:        ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 14

$(VENV)/.ok: pyproject.toml constraints.txt
	$(PY) -m venv $(VENV)
	$(PIP) -c constraints.txt -e ".[all]"
	touch $@

setup: $(VENV)/.ok  ## the environment in .venv

quickstart: $(VENV)/.ok  ## train a small tokenizer on data/photos, evaluate it, export it, say where the report is
	$(BIN)/python train.py experiment=quickstart
	$(BIN)/python eval.py run.path=$(RUN)
	$(BIN)/signaltok export $(RUN) $(RUN)/tokenizer --force
	$(BIN)/signaltok inspect $(RUN)

lint: $(VENV)/.ok  ## style, types, direction of imports
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/pyright
	$(BIN)/lint-imports

test: lint  ## lint, then the tests but the slow ones
	$(BIN)/python -m pytest -n 2 -m "not slow"

test-all: $(VENV)/.ok  ## the tests that take longer
	$(BIN)/python -m pytest -n 2 -m slow

format: $(VENV)/.ok  ## put the code into its form
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

clean:       ## remove what tests and tools left, not the runs
	rm -rf .pytest_cache .ruff_cache .hypothesis .import_linter_cache
