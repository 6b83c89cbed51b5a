# Everything runs from .venv, which the first target that needs it makes.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt
EXTRAS := train,dashboard,cmaes,postgresql,mariadb,s3,test
# One process more than there are cores: many tests wait for processes and databases.
PROCESSES ?= $(shell $(PYTHON) -c 'import os; print(min(os.cpu_count() + 1, 5))')
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest

.PHONY: help demo unit test faults test-engines soak check-accuracy truth studies tutorials check coverage lowest newest docs constraints hooks clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/train ## search on scikit-learn's digits, then confirm the winner on test data
	$(BIN)/winnow run studies/digits.toml
	$(BIN)/winnow confirm digits --top 1 --seeds 3

unit: .venv/test ## the unit suite: seconds
	$(PYTEST) --numprocesses=2 --dist=worksteal tests/unit

test: .venv/test ## every test but faults, engines and accuracy: minutes
	$(PYTEST) --numprocesses=$(PROCESSES) --dist=worksteal -m "not faults and not accuracy and not engines"

faults: .venv/test ## real workers and a real PostgreSQL, killed, stopped and starved: minutes
	$(BIN)/pytest --numprocesses=$(PROCESSES) --dist=worksteal -m faults

test-engines: .venv/engines ## whole searches on Slurm and Ray, as far as they are here: minutes
	$(BIN)/pytest -m engines

soak: .venv/test ## half an hour of random faults
	WINNOW_SOAK_MINUTES=30 $(BIN)/pytest -rP tests/faults/test_soak.py

check-accuracy: .venv/test ## training our way and the usual way over several seeds: the same mean accuracy, in minutes
	$(BIN)/pytest -m accuracy -rP

truth: .venv/test ## noise of twenty kinds, real trainings among it, with known effects: hours; goes on where it stopped
	$(BIN)/python -m bench.truth 500 truth.jsonl

studies: .venv/train ## run the ready studies that take minutes, and write their answers into studies/README.md
	$(BIN)/python -m bench.ready_studies

tutorials: .venv/test ## run the tutorials of docs/ and write what their commands say into them: minutes
	$(BIN)/python docs/transcripts.py

check: .venv/test ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

coverage: .venv/test ## the lines that the unit suite reaches, and the floor under them
	$(PYTEST) --numprocesses=2 --dist=worksteal tests/unit --cov

lowest: .venv/test ## the unit suite and the storage contract with the lowest versions that pyproject.toml admits
	bash .ci/other-versions lowest

newest: .venv/test ## what needs no PyTorch, on the newest Python that is here
	bash .ci/other-versions newest

docs: .venv/docs ## the documentation as a site in site/; a warning fails
	$(BIN)/mkdocs build --strict --quiet

constraints: .venv/engines .venv/docs ## write down the versions of .venv, which all targets install by
	$(BIN)/python -m pip freeze --exclude-editable | grep -E '^[A-Za-z0-9._-]+==' | sed 's/+.*//' > constraints.txt

hooks: .venv/test ## have git run the checks before each commit
	$(BIN)/pre-commit install

clean: ## remove .venv and what was built
	rm -rf .venv .venv-lowest .venv-newest build site *.egg-info

.venv/pip: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	@touch $@

.venv/train: .venv/pip
	$(INSTALL) --editable '.[train]'
	@touch $@

.venv/test: .venv/train
	$(INSTALL) --editable '.[$(EXTRAS)]'
	@touch $@

.venv/docs: .venv/test
	$(INSTALL) --editable '.[$(EXTRAS),docs]'
	@touch $@

.venv/engines: .venv/test
	$(INSTALL) --editable '.[$(EXTRAS),ray]'
	@touch $@
