# make demo     install into .venv, fetch the embedded models, score the examples, print a summary
# make test     install into .venv and run the tests except the slow ones, in WORKERS processes
# make test-slow  run the slow tests, in a few minutes
# make check    ruff, mypy --strict, pyright, house rules, docs up to date, WORKERS of them at a time
# make fix      format and fix with ruff, and write the generated docs
# make bench    compare the engine with peers and the bare models; see bench/README.md
# make validate check the figures of the shipped rewards' cards on DATA (../shared/data)
# make evaluation  the table of docs/evaluation.md, from the reference data in DATA
# make learn    train a small policy on this machine, measured before and after, in OUT

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DATA ?= ../shared/data
OUT ?= build/learning
WORKERS ?= 2
STAMP := $(VENV)/.installed
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: demo test test-slow check check-ruff check-mypy check-pyright check-house fix bench validate evaluation learn clean

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --upgrade "pip>=24"
	$(BIN)/python -m pip install --quiet --no-compile -c constraints.txt -e '.[dev]'
	touch $(STAMP)

demo: $(STAMP)
	mkdir -p build
	$(BIN)/rewards models pull
	$(BIN)/rewards score rewards/examples.jsonl -o build/examples.scored.jsonl
	@echo
	$(BIN)/python examples/read_scores.py build/examples.scored.jsonl

test: $(STAMP)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not slow"

test-slow: $(STAMP)
	$(BIN)/python -m pytest -n $(WORKERS) -m slow

check: $(STAMP)
	$(MAKE) --keep-going --jobs $(WORKERS) check-mypy check-pyright check-house check-ruff

check-ruff:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

check-mypy:
	$(BIN)/mypy rewards plugins/rewards_* eval/rewards_* train/rewards_* bench tests/typed.py

check-pyright:
	$(BIN)/pyright --pythonpath $(BIN)/python

check-house:
	$(BIN)/python -m pytest -q tests/test_house.py tests/test_docs.py

fix: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python docs/generate.py

bench: $(STAMP)
	$(BIN)/python -m pip install --quiet --no-compile -c constraints.txt -e '.[dev,bench]'
	$(BIN)/python -m bench --data $(DATA)

validate: $(STAMP)
	$(BIN)/python -m bench.validate $(DATA) --cache build/features

evaluation: $(STAMP)
	$(BIN)/python -m bench.evaluation $(DATA)

learn: $(STAMP)
	$(BIN)/python -m bench.learning $(DATA) $(OUT)

clean:
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache
