# `make demo` and `make test` set everything up themselves, in .venv beside this file.
PYTHON ?= python3
PY := .venv/bin/python
UV := .venv/bin/uv
TESTS ?= tests
WORKERS ?= 2

.PHONY: demo test test-slow bench screens pixel lint types lock clean

demo: .venv/ready
	$(PY) -m truecount demo $(DEMO)

test: .venv/ready lint types
	$(PY) -m pytest -q -n $(WORKERS) --dist loadfile -m "not slow" $(TESTS)

test-slow: .venv/ready
	$(PY) -m pytest -q -m slow $(TESTS)

bench: .venv/ready
	$(PY) -m benchmarks $(BENCH)

# The pictures of README and docs, from a server with a shop's past. Needs Chromium; takes some minutes.
screens: .venv/ready
	$(PY) docs/screens.py

# The browser script from its sources; needs Node. What it makes is committed, so that nobody else needs it.
pixel:
	cd truecount/pixel && npm ci --no-audit --no-fund --loglevel=error && npm run -s check && npm run -s build

lint: .venv/ready
	.venv/bin/ruff check truecount tests benchmarks
	.venv/bin/ruff format --check truecount tests benchmarks

types: .venv/ready
	.venv/bin/mypy

lock:
	$(UV) pip compile pyproject.toml --extra demo --extra dev --generate-hashes --no-emit-index-url --python-version 3.11 -q -o requirements.lock

# A virtual environment of its own, from the lock alone; the package itself is installed in place.
.venv/ready: requirements.lock pyproject.toml
	test -x $(PY) || $(PYTHON) -m venv .venv
	$(PY) -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	$(PY) -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e . || \
	$(PY) -m pip install -q --disable-pip-version-check --no-deps -e .
	touch $@

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache build dist
