# One command each. Everything a fresh machine needs is installed by `make setup` into .venv.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.setup-done

.PHONY: setup run test lint types unit bench rivals accuracy docs pins release clean
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

pins: setup   ## ask the hub for the revisions that the code leaves open, and write them into it
	$(BIN)/python -m release.pins

release: setup   ## a wheel in dist/, from a tree whose models are all pinned and whose tests pass
	$(BIN)/python -m release.pins --check
	$(MAKE) test
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .

clean:
	rm -rf .venv .venv-rivals build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis run-results
