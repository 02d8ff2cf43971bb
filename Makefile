VENV ?= .venv
PY ?= python3
BIN := $(VENV)/bin

.PHONY: setup quickstart test test-all lint help

help:            ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 16

$(VENV)/.ok: pyproject.toml constraints.txt
	@test -f README.md
	$(PY) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[all]"
	touch $@

setup: $(VENV)/.ok  ## the environment in .venv
