# One command each. Everything a fresh machine needs is installed by `make setup` into .venv.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.setup-done

.PHONY: setup run test lint types unit bench rivals accuracy docs clean
setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,models,parquet]'
	touch $@

run: setup   ## analyze sample clips, or real posts with URLS=urls.txt
	$(BIN)/python -m bench.demo $(if $(URLS),--urls "$(URLS)")

test: lint types unit   ## everything that must be green

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

unit: setup
	$(BIN)/python -m pytest -n 2 --dist loadfile

bench: setup   ## every benchmark, quick form
	$(BIN)/python -m bench

rivals:   ## what bench.queue is measured against; redis-server comes from the system's packages
	$(PYTHON) -m venv .venv-rivals
	.venv-rivals/bin/python -m pip install --quiet --disable-pip-version-check 'celery>=5.4' 'redis>=5' 'huey>=2.5' packaging

accuracy: setup   ## what tests measured against published truth, beside the pass marks
	$(BIN)/python -m pytest -n 2 --dist loadfile --accuracy=bench/results/accuracy.md tests

docs: setup   ## docs/analyzers.md from the analyzers themselves
	$(BIN)/python docs/generate.py

clean:
	rm -rf .venv .venv-rivals build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis run-results
