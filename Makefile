# Two commands are enough for a newcomer: `make demo` and `make test`. `make help` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
COMPILE := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

.PHONY: help setup setup-dev demo serve test check format lint types imports browser screenshots chaos chaos-drain bench \
  providers-table mcp-leaks mcp-conformance audit-dependencies sbom dist lock docs docs-reference clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | awk -F'\t' '{printf "  make %-16s %s\n", $$1, $$2}'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Airboss needs Python 3.11 or newer: set PYTHON=/path/to/python3.11")'
	@echo "Making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)

# Stamps hold what was installed: a second run has nothing to do.
$(VENV)/.runtime: requirements/runtime.txt pyproject.toml | $(BIN)/python
	@echo "Installing Airboss and what it needs (once)"
	@$(PIP) install --require-hashes -r requirements/runtime.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	@echo "Installing the tools for tests and checks (once)"
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

$(VENV)/.docs: requirements/docs.txt $(VENV)/.dev
	@echo "Installing what builds the documentation (once)"
	@$(PIP) install --require-hashes -r requirements/docs.txt
	@touch $@

# In an environment of its own: what looks for trouble should not bring versions into what is tested.
$(VENV)/audit/.installed: requirements/audit.txt | $(BIN)/python
	@echo "Installing pip-audit and cyclonedx-bom (once)"
	@$(BIN)/python -m venv $(VENV)/audit
	@$(VENV)/audit/bin/python -m pip --disable-pip-version-check -q install --require-hashes -r requirements/audit.txt
	@touch $@

setup: $(VENV)/.runtime ## Set up only: leaves .venv/bin/airboss

setup-dev: $(VENV)/.dev ## Set up for development: the tools for tests and checks too

demo: setup ## Serve, run one real job, show its events and its result
	@$(BIN)/airboss demo --config config/demo.yaml

serve: setup ## Serve on 127.0.0.1:8700
	@$(BIN)/airboss serve

test: setup-dev browser ## Run all tests
	@$(BIN)/python -m pytest -n 2 --dist worksteal || { \
	  test $$? -eq 1 && \
	  echo "What failed beside others is run once more, alone: if it passes now, its name above is a test to mend" && \
	  $(BIN)/python -m pytest --last-failed --last-failed-no-failures none; }

# Chromium comes from Debian's packages; without it the tests of the dashboard are skipped, loudly.
browser: ## Install Chromium for the tests of the dashboard, or say how
	@if command -v chromium chromium-browser google-chrome >/dev/null; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing Chromium (once)"; \
	  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium; } >/dev/null; \
	fi; \
	command -v chromium >/dev/null || { \
	  echo "******************************************************************************"; \
	  echo "NO CHROMIUM: the tests of the dashboard will be skipped."; \
	  echo "As root: apt-get install chromium; elsewhere put a chromium on the PATH."; \
	  echo "******************************************************************************"; }

screenshots: setup-dev browser ## Write docs/images anew from a server with some jobs
	@$(BIN)/python -m tests.support.screenshots

check: setup-dev lint types imports test ## What CI runs: format, lint, types, import contracts, tests

format: setup-dev ## Format the code
	@$(BIN)/ruff check --fix-only -q .
	@$(BIN)/ruff format -q .

lint: setup-dev ## Check format and lint
	@$(BIN)/ruff format --check -q .
	@$(BIN)/ruff check -q .

types: setup-dev ## Check types, strictly
	@$(BIN)/mypy

imports: setup-dev ## Check the layers
	@$(BIN)/lint-imports

chaos: setup-dev ## Kill a server 50 times under 2,000 jobs and count what was lost (minutes)
	@$(BIN)/python -m benchmarks.chaos

chaos-drain: setup-dev ## Drain a server 20 times under 300 jobs (minutes)
	@$(BIN)/python -m benchmarks.chaos --signal SIGTERM --jobs 300 --kills 20

bench: setup-dev ## Run the benchmarks, side by side with their references (six minutes on a quiet machine)
	@for name in starting spawns streams kept_jobs provider_overhead; do $(BIN)/python -m benchmarks.$$name || exit 1; done

mcp-leaks: setup-dev ## Break 500 sessions with MCP servers and count what is left of them (minutes)
	@$(BIN)/python -m benchmarks.mcp_leaks

mcp-conformance: setup-dev ## Run the client's side of the MCP conformance suite (minutes; needs npm and network namespaces)
	@$(BIN)/python -m tests.support.mcp_conformance

audit-dependencies: $(VENV)/audit/.installed ## Ask for known vulnerabilities of the pinned dependencies
	@$(BIN)/python .ci/audit_dependencies.py $(VENV)/audit/bin/pip-audit requirements/runtime.txt requirements/dev.txt

sbom: $(VENV)/audit/.installed ## Write dist/airboss.cdx.json: what is installed with Airboss, with hashes
	@mkdir -p dist
	@$(VENV)/audit/bin/cyclonedx-py requirements requirements/runtime.txt --pyproject pyproject.toml \
	  --output-reproducible --of JSON -o dist/airboss.cdx.json

dist: setup-dev ## Build the wheel and the source archive into dist/
	@$(BIN)/uv build -q --no-build-isolation --python $(BIN)/python --out-dir dist

providers-table: setup-dev ## Try every fault of a provider and write the table in docs/providers.md
	@$(BIN)/python -m tests.support.provider_table

lock: setup-dev ## Pin the dependencies again, with hashes
	@$(COMPILE) pyproject.toml --group build -o requirements/runtime.txt
	@$(COMPILE) pyproject.toml --group build --group dev -c requirements/runtime.txt -o requirements/dev.txt
	@$(COMPILE) --group docs -c requirements/dev.txt -o requirements/docs.txt
	@$(COMPILE) --group audit -o requirements/audit.txt

docs: $(VENV)/.docs docs-reference ## Build the documentation as a site in build/site
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build -q
	@echo "build/site/index.html"

docs-reference: setup-dev ## Write the reference pages anew from the code
	@$(BIN)/python docs/generate.py

clean: ## Remove what setup and the tests made
	@rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .peers
