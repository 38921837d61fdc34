# Everything a developer does, a target each: `make` lists them.
#
# The only needs are python3 (3.11 or later, with its headers), a C compiler and make. The rest is brought along:
# uv (used from the PATH if it fits, else installed in .uv) makes .venv from uv.lock and builds the kernel in place.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
UV_VERSION := 0.13.9
UV := $(or $(shell uv --version 2>/dev/null | grep -q '^uv 0\.13\.' && command -v uv),.uv/bin/uv)

VENV := $(or $(UV_PROJECT_ENVIRONMENT),.venv)
BIN := $(VENV)/bin
KERNEL := $(shell find app -name '*.pyx' -o -name '*.pxd')

# uv neither fetches a Python nor trusts only its own certificates where the system has some.
export UV_PYTHON_DOWNLOADS := never
export UV_SYSTEM_CERTS ?= $(if $(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt),1,0)
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME

# What `make test` passes to pytest, e.g. make test ARGS="tests/unit -k ladder".
ARGS ?=
JOBS ?= auto
# `make fuzz`: inputs for each target, the seed they grow from, and of how many one is put to the reference engine.
# Ten million: make fuzz RUNS=10000000 EVERY=16
RUNS ?= 100000
SEED ?= 1
EVERY ?= 1
# Seconds of random feeds in `make soak`.
SECONDS_OF_FEEDS ?= 300
# Seconds and records a second of the stream in it.
SECONDS_OF_STREAMS ?= 60
# Seconds that pages are left open in it; 3600 is the hour they should stand.
SECONDS_OF_PAGES ?= 60
RATE_OF_STREAMS ?= 500000
KILLS ?= 20
# Of `make preflight`, `deploy`, `smoke` and `drill`: which Pulumi.STACK.yaml.
STACK ?= dev

.PHONY: help setup demo test test-long lint format bench fuzz soak kills exhaustive sanitize wheel-twice screenshots preflight deploy smoke drill clean

help: ## list the targets
	@awk 'BEGIN { FS = ":[^#]*## " } /^[a-z-]+:.*## / { printf "  \033[1mmake %-12s\033[0m %s\n", $$1, $$2 }' Makefile

setup: $(VENV)/.kernel ## make .venv from the lock, with the kernel built and the command at .venv/bin/depthcast

demo: setup ## simulate an exchange, serve its live books at http://localhost:8000, watch them (SECONDS=20: so long)
	$(BIN)/depthcast demo $(if $(SECONDS),--seconds $(SECONDS)) $(if $(PORT),--listen 127.0.0.1:$(PORT))

test: setup ## run every test that fits in a few minutes
	$(BIN)/python -m pytest -n $(JOBS) -m "not long" $(ARGS)

test-long: setup ## run the tests that take longer each
	$(BIN)/python -m pytest -n $(JOBS) -m long $(ARGS)

lint: setup ## style, strict types, the import rule, dependencies, security
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/deptry .
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml app functions

format: setup ## put the code in its standard form
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: setup ## time engine, stream, API and store beside their peers, write docs/results and the README's figures
	$(UV) sync --locked --inexact --quiet --group bench
	$(BIN)/python -m benchmarks.engine --write
	$(BIN)/python -m benchmarks.stream --write $(ARGS)
	$(BIN)/python -m benchmarks.serve --write $(ARGS)
	$(BIN)/python -m benchmarks.page
	$(BIN)/python -m benchmarks.store --write $(ARGS)

fuzz: setup ## feed the engine and the reader RUNS random inputs each (100,000 unless told)
	$(UV) sync --locked --inexact --quiet --group fuzz
	$(BIN)/python fuzz/fuzz_engine_apply.py -atheris_runs=$(RUNS) -seed=$(SEED) -max_len=512 --compare-every=$(EVERY)
	$(BIN)/python fuzz/fuzz_dbn_reader.py -atheris_runs=$(RUNS) -seed=$(SEED) -max_len=1024

kills: setup ## kill -9 the feed KILLS times (20 unless told) at random moments, under subscribers
	DEPTHCAST_KILLS=$(KILLS) DEPTHCAST_SEED=$(SEED) $(BIN)/python -m pytest tests/integration/feed/test_feed_kills.py

exhaustive: setup ## engine against reference in every reachable state of two small worlds: half an hour
	$(BIN)/python tests/exhaustive/search.py

sanitize: setup ## run the tests of the books on a kernel built with AddressSanitizer and UBSan, in build/sanitize
	rm -rf build/sanitize
	DEPTHCAST_SANITIZE=address,undefined $(BIN)/python setup.py --quiet build --build-base build/sanitize --build-lib build/sanitize/lib
	$(SANITIZED) $(BIN)/python -c 'from depthcast.book import engine; assert "sanitize" in engine.__file__, engine.__file__'
	$(SANITIZED) $(BIN)/python -m pytest -n $(JOBS) $(or $(ARGS),tests/unit/book tests/property)

soak: setup ## 100 M records of churn must not grow the process; then engine against reference on random feeds; then readers of a busy stream; then open pages
	$(BIN)/python -m benchmarks.soak
	$(BIN)/python tests/property/soak_differential.py --seconds $(SECONDS_OF_FEEDS)
	DEPTHCAST_SOAK_S=$(SECONDS_OF_STREAMS) DEPTHCAST_SOAK_RATE=$(RATE_OF_STREAMS) $(BIN)/python -m pytest tests/integration/api/test_stream_soak.py
	DEPTHCAST_PAGE_SOAK_S=$(SECONDS_OF_PAGES) $(BIN)/python -m pytest tests/e2e/test_page_soak.py

screenshots: setup ## take the pictures of the pages that are in docs/images, in Debian's Chromium
	$(BIN)/python -m tests.e2e.screenshots

wheel-twice: $(UV) ## build the wheel twice, in two places and at two times: both must have the same bytes
	rm -rf build/twice
	for place in one another; do \
	  mkdir -p build/twice/$$place && git archive HEAD | tar -x -C build/twice/$$place; \
	  (cd build/twice/$$place && SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(abspath $(UV)) build --quiet --wheel --out-dir ../$$place-dist); \
	  sleep 1; \
	done
	sha256sum build/twice/*-dist/*.whl
	cmp build/twice/one-dist/*.whl build/twice/another-dist/*.whl

preflight: setup ## say what would stop a deployment to AWS, and what to do about it (STACK=dev)
	$(BIN)/python -m infra.tools.preflight $(STACK)

deploy: setup ## bring a stack up to date on AWS, wait, compare what runs (STACK=dev DIGEST=sha256:...)
	$(BIN)/python -m infra.tools.deploy $(STACK) $(if $(DIGEST),--digest $(DIGEST))

smoke: setup ## look at a stack from within its VPC (STACK=dev)
	$(BIN)/python -m infra.tools.smoke $(STACK)

drill: setup ## stop tasks, fail the database over, say how long each took to be back (STACK=dev)
	$(BIN)/python -m infra.tools.drill $(STACK) $(ARGS)

clean: ## remove what was built (not .venv, not .uv)
	rm -rf build dist out *.egg-info app/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find app tests benchmarks -name __pycache__ -prune -exec rm -rf {} +
	find app -name '*.so' -delete
	rm -f $(VENV)/.synced $(VENV)/.kernel

# Python's own allocator would hide errors, and its leaks at exit are not ours. libstdc++ is for other extensions.
SANITIZED = LD_PRELOAD="$(foreach lib,libasan.so libubsan.so libstdc++.so.6,$$($${CC:-cc} -print-file-name=$(lib)))" \
	ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
	PYTHONMALLOC=malloc PYTHONPATH=build/sanitize/lib

# --- the environment ---------------------------------------------------------------------------------------------

$(VENV)/.synced: pyproject.toml uv.lock setup.py | $(UV)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'Depthcast needs Python 3.11 or later; say which one with PYTHON=...' >&2; exit 1; }
	@$(PYTHON) -c 'import pathlib, sys, sysconfig; sys.exit(not (pathlib.Path(sysconfig.get_path("include")) / "Python.h").is_file())' \
	  || { echo 'Python.h is missing: install the headers of $(PYTHON) (Debian: python3-dev).' >&2; exit 1; }
	@command -v $${CC:-cc} >/dev/null || { echo 'No C compiler found: install gcc.' >&2; exit 1; }
	$(UV) sync --locked --inexact $(if $(wildcard $(BIN)/python),,--python "$$($(PYTHON) -c 'import sys; print(getattr(sys, "_base_executable", sys.executable))')")
	@touch $@ $(VENV)/.kernel

$(VENV)/.kernel: $(VENV)/.synced $(KERNEL)
	$(BIN)/python setup.py --quiet build_ext --inplace
	@touch $@

.uv/bin/uv:
	@echo 'Bringing uv $(UV_VERSION) to .uv'
	@{ $(PYTHON) -m venv .uv >/dev/null 2>&1 && .uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION); } \
	  || { rm -rf .uv && $(PYTHON) -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target .uv uv==$(UV_VERSION); } \
	  || { rm -rf .uv; echo 'uv cannot be installed: $(PYTHON) has neither venv nor pip (Debian: python3-venv).' >&2; \
	       echo 'Install one of them, or uv 0.13 itself, and try again.' >&2; exit 1; }
