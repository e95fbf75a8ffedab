# Everything a person needs from a clone: make train, make test, make check, make check-full.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ARGS ?=
# Processes that run the fast tests; JOBS=0 runs them in one, in order.
JOBS ?= 2

.PHONY: train test matrix lint types check check-full clean

train: $(STAMP)
	@$(BIN)/python scripts/train.py $(ARGS)

test: $(STAMP)
	@$(BIN)/python -m pytest -q -n $(JOBS) $(ARGS)

matrix: $(STAMP)
	@$(BIN)/python scripts/matrix.py $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

check: lint types test

check-full: $(STAMP) lint types
	$(BIN)/python scripts/check_full.py

# torch goes first and alone, so that a local or CPU build that satisfies the pin is kept.
$(STAMP): pyproject.toml constraints.txt
	@echo "Setting up $(VENV), once: a minute or two."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(STAMP)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
