# Counterfoil: `make` lists what there is. Everything is installed into .venv, from lock files with hashes.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# One more than two cores have: some tests wait for brokers most of their time.
JOBS ?= 3
FORMAT ?= text
SET ?= sample_data/small sample_data/openai_agents_cerbos
DEMO_DASHBOARD ?= 1
CHAOS_SECONDS ?= 240

# Planning SQL allocates many small pieces: with a larger cache per thread, glibc takes a quarter less time over it.
export GLIBC_TUNABLES ?= glibc.malloc.tcache_count=2000
# Every worker and every process that tests start loads the same modules: what one has compiled serves all.
unexport PYTHONDONTWRITEBYTECODE

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help setup setup-runtime demo test test-long test-spark test-s3 lint format bench bench-peers chaos screenshots evaluate clean

help: ## list these targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 18

setup: $(VENV)/.dev ## install Counterfoil with all that its tests and checks need

setup-runtime: $(VENV)/.runtime ## install Counterfoil with what it needs to run

demo: setup-runtime ## ingest the sample data, detect, print the findings, open the dashboard (DEMO_DASHBOARD=0: without)
	@DEMO_DASHBOARD=$(DEMO_DASHBOARD) $(BIN)/counterfoil demo

test: setup ## run all tests (JOBS=3 at a time; ARGS="..." goes to pytest)
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

test-long: setup ## what takes minutes: every combination, OPA built from source, many more hostile records
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m long $(ARGS)
	@$(BIN)/python -m pytest -n $(JOBS) --hypothesis-profile=long tests/ingest/formats/test_hostile.py tests/ingest/test_quick.py tests/analytics/test_incremental.py $(ARGS)

test-spark: $(VENV)/.spark ## the rules on Apache Spark: one process, a cluster, Spark Connect (minutes; needs a JDK 17)
	@$(BIN)/python -m pytest -n 0 -m spark tests/spark $(ARGS)

test-s3: setup ## the lake on a real S3-compatible store, built once with Go; WHOLE=1: all tests whose lakes can be on one
	@$(BIN)/python -m tests.objectstore.gateway
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m 'objectstore and not long' tests/objectstore $(ARGS)
	@[ -z "$(WHOLE)" ] || COUNTERFOIL_TEST_LAKE=s3 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

lint: setup ## check style, formatting and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: setup ## format the code and mend what the linter can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: setup ## run the benchmarks one after another (minutes each)
	@set -e; for each in $(filter-out _%,$(notdir $(basename $(wildcard benchmarks/*.py)))); do \
	  echo "== benchmarks/$$each.py"; $(BIN)/python -m benchmarks.$$each; done

bench-peers: setup ## ingest and correlation beside others, each in an environment of its own (ARGS, CORRELATE_ARGS)
	@$(BIN)/python -m benchmarks.peers_ingest --install $(ARGS)
	@$(BIN)/python -m benchmarks.peers_correlate --install $(CORRELATE_ARGS)

chaos: setup ## a fault run: kills, restarts, full disks, power cuts, clock jumps (CHAOS_SECONDS=240, CHAOS_SEED=n)
	@$(BIN)/python -m tests.chaos --seconds $(CHAOS_SECONDS) $(if $(CHAOS_SEED),--seed $(CHAOS_SEED))

screenshots: setup ## pictures of every page of the dashboard, light and dark, wide and narrow, in screenshots/
	@$(BIN)/python -m tests.dashboards.screenshots $(ARGS)

evaluate: setup-runtime ## compare the findings with the answer keys of the sample data (SET=FOLDER: of a folder) [FORMAT=json]
	@set -e; for each in $(SET); do echo "== $$each" >&2; $(BIN)/counterfoil evaluate "$$each" --format $(FORMAT); done

clean: ## remove caches, builds and the demo's files (the environment stays: rm -r .venv for a new one)
	@rm -rf build dist ./*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis demo screenshots
	@find . -path ./$(VENV) -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

# Two loops of ingest in C, built where there is a compiler.
QUICK := $(wildcard ingest/quick/*.[ch])

# Each stamp is younger than what it was made from, so a second run does nothing. What a set-up says goes to the
# error output, so that `make evaluate FORMAT=json` prints JSON and nothing else.
INSTALL := $(BIN)/python -m pip --disable-pip-version-check install --no-input --progress-bar off

$(VENV)/.dev: requirements/dev.lock pyproject.toml $(QUICK) | $(BIN)/pip
	@echo "setup: installing $$(grep -c '^[a-zA-Z]' $<) locked packages (tests and checks too), about a minute" >&2
	@$(INSTALL) --require-hashes -r $< >&2
	@$(INSTALL) --no-deps --no-build-isolation --quiet -e . >&2
	@touch $(VENV)/.runtime $@

$(VENV)/.runtime: requirements/runtime.lock pyproject.toml $(QUICK) | $(BIN)/pip
	@echo "setup: installing $$(grep -c '^[a-zA-Z]' $<) locked packages, about a minute" >&2
	@$(INSTALL) --require-hashes -r $< >&2
	@$(INSTALL) --no-deps --no-build-isolation --quiet -e . >&2
	@touch $@

$(VENV)/.spark: requirements/spark.lock $(VENV)/.dev
	@echo "setup: installing Apache Spark, some 430 MB" >&2
	@$(INSTALL) --require-hashes -r $< >&2
	@touch $@

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  found=$$($(PYTHON) -c 'import sys; print(sys.version.split()[0])' 2>/dev/null || echo missing); \
	  echo "setup: Counterfoil needs Python 3.11 or newer, and '$(PYTHON)' is $$found: name another," \
	    "as in make setup PYTHON=python3.12" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "setup: '$(PYTHON)' has no venv and ensurepip: install them (Debian: apt-get install python3-venv)" >&2; \
	  exit 2; }
	@echo "setup: making $(VENV) with Python $$($(PYTHON) -c 'import sys; print(sys.version.split()[0])')" >&2
	@$(PYTHON) -m venv $(VENV)
