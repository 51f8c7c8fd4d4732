# `make study` runs the quickstart on simulated recordings; `make test` runs the suite; `make check` adds lint, types, layers.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export OMP_NUM_THREADS := 1

.PHONY: study test check bench slow clean

study: $(VENV)/.study
	$(BIN)/invariance-probe run studies/quickstart.yaml
	@echo "Open reports/quickstart/index.html"

test: $(VENV)/.test
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

check: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest tests/test_layers.py --doctest-modules invariance_probe

slow: $(VENV)/.test
	$(BIN)/pytest -n 2 -m "slow or not slow"

bench: $(VENV)/.test
	$(BIN)/python benchmarks/training_speed.py
	$(BIN)/python benchmarks/batched_ridge.py

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.study: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[test]"
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache
