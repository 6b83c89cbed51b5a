# Everything runs from .venv, which the first target that needs it makes.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test faults soak truth test-engines check check-accuracy clean

demo: .venv/train
	$(BIN)/winnow run studies/digits.toml
	$(BIN)/winnow confirm digits --top 1 --seeds 3

test: .venv/test
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile -m "not faults and not accuracy and not engines"

# Real workers and a real PostgreSQL, killed, stopped and starved: minutes.
faults: .venv/test
	$(BIN)/pytest -m faults

# Whole searches on the engines of clusters, killed workers and machines included; says which engine is not here.
test-engines: .venv/engines
	$(BIN)/pytest -m engines

# Half an hour of random faults.
soak: .venv/test
	WINNOW_SOAK_MINUTES=30 $(BIN)/pytest -rP tests/faults/test_soak.py

# Training our way and the usual way over several seeds: the same mean accuracy, in minutes.
check-accuracy: .venv/test
	$(BIN)/pytest -m accuracy -rP

# Two hundred searches, confirmations and ablations of an objective whose effects are known: two minutes.
truth: .venv/test
	$(BIN)/python bench/truth.py 200

check: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf .venv build *.egg-info

.venv/pip: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	@touch $@

.venv/train: .venv/pip
	$(BIN)/python -m pip install --quiet --editable '.[train]'
	@touch $@

.venv/test: .venv/train
	$(BIN)/python -m pip install --quiet --editable '.[train,dashboard,cmaes,postgresql,mariadb,s3,test]'
	@touch $@

.venv/engines: .venv/test
	$(BIN)/python -m pip install --quiet --editable '.[ray]'
	@touch $@
