# The doors of the project. Needs Python 3.11 or later with pip, make and git; everything else is set up on the way.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help run test test-fast check format bench chaos screenshots clean

export UV_PYTHON_DOWNLOADS := never
# Without compiled files every process reads all its packages' sources anew: seconds of each start, and tests start hundreds.
unexport PYTHONDONTWRITEBYTECODE
PYTHON ?= $(shell command -v python3.11 || command -v python3)
UV := $(shell command -v uv || echo .stamps/uv/bin/uv)
SYNC := $(UV) sync --quiet --frozen --inexact
BIN := .venv/bin
# mysqlclient has no wheel for Linux: only those who use MySQL need a compiler.
MYSQL := $(if $(filter mysql%,$(DATABASE_URL)),--extra mysql)
SOURCES := taskflow tenants workflows jobs automations learning

help:
	@echo "make run          set up and start web, worker and beat (PORT, HOST, VAR_DIR, DATABASE_URL, BROKER_URL)"
	@echo "make test         every test, on SQLite and on a private MariaDB and Redis;  make test-fast: SQLite only"
	@echo "make check        linters, types, contracts, schema and migration checks;  make format: what can be put right"
	@echo "make bench        the benchmarks beside their peers;  make chaos: the crash tests at full size"
	@echo "make screenshots  pictures of the pages, in screenshots/"

run: .stamps/run$(if $(MYSQL),-mysql)
	@exec $(BIN)/python manage.py up

test: .stamps/check
	@.ci/test

test-fast: .stamps/check
	@$(BIN)/python -m pytest -q -n 2 tests/unit tests/db tests/journeys -m "not slow"

check: .stamps/check
	@.ci/check

format: .stamps/check
	@$(BIN)/ruff check --fix-only $(SOURCES) tests bench manage.py
	@$(BIN)/ruff format $(SOURCES) tests bench manage.py

bench: .stamps/all
	@$(BIN)/python -m bench

chaos: .stamps/all
	@CHAOS_JOBS=$${CHAOS_JOBS:-2000} $(BIN)/python -m tests.servers -- $(BIN)/python -m pytest -v -s tests/races tests/chaos

screenshots: .stamps/check
	@$(BIN)/python -m tests.browser.screenshots

clean:
	rm -rf .stamps .venv staticfiles .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# --target works where pip may not touch the system's packages, and where venv is not installed.
.stamps/uv/bin/uv:
	@mkdir -p .stamps
	@echo "Installing uv ..."
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target .stamps/uv uv

.stamps/run: uv.lock pyproject.toml | $(UV)
	@echo "Installing packages ..."
	@$(SYNC) --no-dev
	@mkdir -p .stamps && touch $@

.stamps/run-mysql: uv.lock pyproject.toml | $(UV)
	@echo "Installing packages and building mysqlclient ..."
	@$(SYNC) --no-dev --extra mysql
	@mkdir -p .stamps && touch $@

.stamps/check: uv.lock pyproject.toml | $(UV)
	@echo "Installing packages and tools ..."
	@$(SYNC)
	@mkdir -p .stamps && touch $@ .stamps/run

.stamps/all: .stamps/check
	@.ci/servers
	@$(SYNC) --all-extras
	@touch $@ .stamps/run .stamps/run-mysql
