# Tercel. `make` alone explains itself.
#
# One virtual environment, .venv, at two sizes: the core alone (run) and the core with every tool (setup, test, check,
# bench). Each size has a stamp in .stamps/ that is older than pyproject.toml exactly when it has to be renewed.

PYTHON ?= python3
ARGS   ?=
TORCH  ?= torch==2.13.0
LOCK   ?=
PACKAGE   ?=

VENV   := .venv
BIN    := $(VENV)/bin
# Sources are compiled when they are first read: most of them never are.
export PIP_COMPILE := 0
# Twice quiet: errors alone.
PIP    := $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check
CORE   := .stamps/core
TRADE  := .stamps/trade
DEV    := .stamps/dev
FIX    := .stamps/fix
DOCS   := .stamps/docs
# Folders whose commands join `tercel` by entry point. What they ask for is installed by then.
BESIDE := certify exchange studies

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup fix peers bots hosts console console-shots run demo test test-long test-all coverage check docs format guards lock bench clean

help: ## say what can be made (the default)
	@echo "Tercel: from tick data to an execution agent that is judged."
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  ARGS=...       is handed on:      make run ARGS=--quick    make test ARGS='-k book -x'"
	@echo "  PYTHON=...     another python:    make setup PYTHON=python3.12"
	@echo "  ENGINE=...     one engine:        make hosts ENGINE=hftbacktest"
	@echo "  LOCK=FILE      locked versions:   make setup LOCK=requirements-dev.lock"
	@echo "  PACKAGE=...    its tests alone:   make test PACKAGE=market   make test-long PACKAGE=market"
	@echo "  PART=1..6      a sixth:           make test-all PART=2"
	@echo
	@echo "Everything is set up on first use in $(VENV); nothing outside this folder and the kernel cache is touched."

setup: $(DEV) ## make .venv with the core, torch and every development tool
	@echo "[set-up] ready: . $(BIN)/activate" >&2

run: $(CORE) ## the main job: train up from a tuned rule on the default market, judge, print the table and a verdict
	@$(BIN)/tercel run $(ARGS)

demo: $(TRADE) ## the whole loop on the embedded default: signals, posture, agents, limits, exchange, cost feedback
	@$(BIN)/tercel trade run --demo $(ARGS)

fix: $(FIX) ## add QuickFIX, which is built from source (some five minutes): FIX 4.4 and its tests

# Programs of others are kept in the user's cache by version, so that the next clone only links to them.
PEERS   = $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/tercel/peers
PY_TAG := $(shell $(PYTHON) -c 'import sys; print("py%d.%d" % sys.version_info[:2])' 2>/dev/null)
NPM_PEERS        := jspurefix@5.11.4 oidc-provider@9.13.3
BINANCE_PEER     := binance-fix-connector==1.2.0
EXCHANGE_PEERS   := ccxt==4.5.90 schemathesis==4.32.5
FREQTRADE_PEERS  := freqtrade==2026.9 ccxt==4.5.90
NAUTILUS_PEERS   := nautilus_trader==1.221.0
QUANT_PEERS      := alphalens-reloaded==0.5.1 pyfolio-reloaded==0.10.1 empyrical-reloaded==0.7.1 quantstats==0.0.86 tensorboard==2.21.0
key = $(PEERS)/$(subst $(eval) ,-,$(PY_TAG) $(1))
NPM       = $(call key,$(NPM_PEERS))
BINANCE   = $(call key,$(BINANCE_PEER))
EXCHANGE  = $(call key,$(EXCHANGE_PEERS))
FREQTRADE = $(call key,$(FREQTRADE_PEERS))
NAUTILUS  = $(call key,$(NAUTILUS_PEERS))
QUANT     = $(call key,$(QUANT_PEERS))
python_of = $(1)/bin/python -I -m pip --quiet --quiet --disable-pip-version-check install

peers: $(NPM)/.made $(BINANCE)/.made $(EXCHANGE)/.made $(QUANT)/.made web/node_modules/.made ## install FIX engines, exchange clients and tear sheets of others, and what builds and checks the console's page, for tests (needs npm)
	@mkdir -p build/peers
	@ln -sfn $(NPM)/node_modules build/peers/node_modules
	@ln -sfn $(BINANCE) build/peers/binance
	@ln -sfn $(EXCHANGE) build/peers/exchange
	@ln -sfn $(QUANT) build/peers/quant

bots: $(FREQTRADE)/.made $(NAUTILUS)/.made ## install freqtrade and nautilus_trader into build/peers, for tests that have them trade (1.5 GB)
	@mkdir -p build/peers
	@ln -sfn $(FREQTRADE) build/peers/freqtrade
	@ln -sfn $(NAUTILUS) build/peers/nautilus

$(FREQTRADE)/.made: TAKES = $(FREQTRADE_PEERS)
$(NAUTILUS)/.made: TAKES = $(NAUTILUS_PEERS)
$(EXCHANGE)/.made: TAKES = $(EXCHANGE_PEERS)
$(QUANT)/.made: TAKES = $(QUANT_PEERS)
$(FREQTRADE)/.made $(NAUTILUS)/.made $(EXCHANGE)/.made $(QUANT)/.made:
	@echo "[set-up] installing $(TAKES) (up to two minutes)" >&2
	@$(PYTHON) -m venv --clear $(@D)
	@$(call python_of,$(@D)) $(TAKES)
	@touch $@

# Scripts of packages are not run: nothing of what they would unpack is used.
$(NPM)/.made:
	@echo "[set-up] installing $(NPM_PEERS) with npm (some 15 seconds)" >&2
	@mkdir -p $(@D)
	@npm install --silent --no-fund --no-audit --ignore-scripts --prefix $(@D) $(NPM_PEERS)
	@touch $@

# Without what its package asks for and its code never imports (a formatter).
$(BINANCE)/.made:
	@echo "[set-up] installing Binance's FIX connector (some 15 seconds)" >&2
	@$(PYTHON) -m venv --clear $(@D)
	@$(call python_of,$(@D)) "cryptography>=42,<100" simplefix==1.0.17
	@$(call python_of,$(@D)) --no-deps $(BINANCE_PEER)
	@touch $@

# Distributions under hosts/, each in an environment of its own, made anew when a pyproject.toml changes. Versions are pinned
# there. ENGINE names one.
ENGINE ?= $(notdir $(patsubst %/pyproject.toml,%,$(wildcard hosts/*/pyproject.toml)))
hosts: $(ENGINE:%=.venv-hosts/%/.made) ## test executors in engines of others, in .venv-hosts (first some two minutes and 1 GB each, then seconds); ENGINE=hftbacktest
	@for one in $(ENGINE); do \
	  (cd hosts/$$one && ../../.venv-hosts/$$one/bin/python -m pytest -p no:cacheprovider $(ARGS)) || exit $$?; done

.venv-hosts/%/.made: hosts/%/pyproject.toml pyproject.toml
	@echo "[set-up] installing tercel and the host $* (up to two minutes)" >&2
	@$(PYTHON) -m venv --clear $(@D)
	@$(call python_of,$(@D)) -e . -e "hosts/$*[test]"
	@touch $@

console: $(DEV) web/node_modules/.made ## build the console's page from web/ into src/tercel/core/pages, its types from the API (needs npm)
	@$(BIN)/python web/openapi.py > web/openapi.json
	@npm run --silent --prefix web types > /dev/null
	@npm run --silent --prefix web format > /dev/null
	@npm run --silent --prefix web build

# Scripts of packages are not run: none of them has one that is needed.
web/node_modules/.made: web/package-lock.json
	@echo "[set-up] installing what builds the page with npm (some 15 seconds)" >&2
	@npm ci --silent --no-fund --no-audit --ignore-scripts --prefix web
	@touch $@

console-shots: $(DEV) ## take pictures of every screen of the console into build/shots, to be looked at (needs chromium)
	@$(PY) -m tests.desk.console.shots build/shots $(ARGS)

PACKAGES = $(sort $(patsubst tests/%/,%,$(filter-out %__pycache__/,$(wildcard tests/*/))))
ifneq ($(PACKAGE),)
ifeq ($(wildcard tests/$(PACKAGE)/),)
$(error PACKAGE=$(PACKAGE): expected a folder of tests, one of $(PACKAGES))
endif
endif
ifneq ($(PART),)
ifneq ($(filter test test-long,$(MAKECMDGOALS)),)
$(error PART=$(PART): only make test-all has parts)
endif
ifeq ($(filter 1 2 3 4 5 6,$(PART)),)
$(error PART=$(PART): expected 1 to 6)
endif
endif

# One thread for linear algebra in each of the two workers: two cores are shared by two of them. Compiled sources are
# kept, whatever the environment says: every worker and every process that a test starts reads them.
PY = OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python
# A file stays with one worker, so that fixtures of a module are made once; the most expensive files come first.
# Two workers have two cores between them: threads of polars in each cost a tenth more.
PYTEST = POLARS_MAX_THREADS=1 $(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder --costs build/costs/$(if $(PACKAGE),package/)$@$(if $(PART),-$(PART)).tsv
# PACKAGE names a folder of tests and, of the same name, one of src/tercel or beside it, whose docstrings have examples.
ASIDE = benchmarks certify exchange replications studies
PLACES = $(if $(PACKAGE),tests/$(PACKAGE) $(wildcard src/tercel/$(PACKAGE)) $(filter $(ASIDE),$(PACKAGE)))

# Tests write no bytecode. What they import late is compiled here once, not in every process of every run.
LATE = matplotlib.pyplot scipy.stats scipy.optimize sklearn.ensemble sklearn.mixture lightgbm onnxruntime torch sqlalchemy fastapi
BYTECODE := .stamps/bytecode
$(BYTECODE): $(DEV)
	@for one in $(LATE); do $(PY) -c "import $$one" || exit 1; done
	@touch $@

test: $(BYTECODE) ## run the tests for while you work: units, oracles, properties, docstring examples, one session end to end
	$(if $(PACKAGE),,$(PY) -m tests.warm)
	$(PYTEST) -m "not long and not release" $(PLACES) $(ARGS)

# Files without one are not even read. A package without one is no failure (5: nothing was collected).
marked = $(shell grep -rlE --include='*.py' '$(1)' tests$(if $(PACKAGE),/$(PACKAGE)))
test-long: $(BYTECODE) ## run the tests of every landing: whole runs, real servers, browser, certification, data
	$(PYTEST) -m "long and not release" $(or $(call marked,mark\.long),$(PLACES)) $(ARGS) || [ $$? -eq 5 ]

test-all: $(BYTECODE) ## run the tests of a release, and every property on random examples; PART=1 to 6: a sixth
	HYPOTHESIS_PROFILE=random $(PYTEST) -m "release or (hypothesis and not long)" $(if $(PART),--part $(PART)) \
	  $(or $(call marked,mark\.release|hypothesis import),$(PLACES)) $(ARGS) || [ $$? -eq 5 ]

# Twice the time of both tiers. Files of coverage say by test function what each executed.
COVERED = --cov --cov-report= --cov-append -p tests.branches
coverage: $(BYTECODE) ## run both tiers of tests and print the branches that they take, by package (half an hour and more)
	rm -f build/coverage.data
	$(PY) -m tests.warm
	COVERAGE_FILE=build/coverage.data $(PYTEST) -m "not long and not release" $(COVERED) $(ARGS)
	COVERAGE_FILE=build/coverage.data $(PYTEST) -m "long and not release" $(COVERED) $(call marked,mark\.long) $(ARGS)
	$(PY) -m tests.branches build/coverage.data

check: $(DEV) ## lint, format, types, layering, numbers of statements
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.budgets size
	@if [ -d web/node_modules ]; then npm run --silent --prefix web check; else echo "[check] web/ is not checked: make console" >&2; fi

docs: $(DOCS) ## build the site of the documentation into build/site; it opens from the folder and fetches nothing
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet $(ARGS)

format: $(DEV) ## let ruff put the sources in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

guards: $(DEV) ## hold what commands give to what is recorded of them in guards/ (some three minutes of CPU)
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m guards compare $(ARGS)

# torch and what comes with it are left out: TORCH says which build this machine takes.
lock: $(DEV) ## write requirements-dev.lock: the versions that a set-up takes with LOCK=requirements-dev.lock
	@$(PIP) install "uv>=0.5"
	@echo "$(TORCH)" > .stamps/torch.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev --extra docs --constraint .stamps/torch.txt \
	  --no-header --no-annotate pyproject.toml | grep -vE '^(torch|triton|nvidia-[a-z0-9-]+|cuda-[a-z0-9-]+)==' > requirements-dev.lock

bench: $(DEV) ## measure every speed against its reference, in the same process
	@for what in book env train decide import venue gate journal desk fix; do $(BIN)/python -m benchmarks $$what $(ARGS) || exit $$?; done

clean: ## remove .venv and what tools left behind (runs and lakes stay)
	rm -rf $(VENV) .venv-hosts .stamps build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests docs guards hosts $(ASIDE) -name __pycache__ -type d -prune -exec rm -rf {} +

# pyvenv.cfg, not bin/python: that one is a link, and make would look at the age of the interpreter behind it.
$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Tercel expects Python 3.11 or newer; $(PYTHON) is `$(PYTHON) --version 2>&1`."; \
	  echo "To go on: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12"; exit 1; } >&2
	@echo "[set-up] making $(VENV) with `$(PYTHON) --version`" >&2
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(CORE): pyproject.toml $(VENV)/pyvenv.cfg
	@echo "[set-up] installing the core (some 20 seconds, 0.7 GB)" >&2
	@$(PIP) install -e .
	@mkdir -p .stamps && touch $@

$(TRADE): pyproject.toml $(CORE)
	@echo "[set-up] installing the extra [trade] (some 10 seconds)" >&2
	@$(PIP) install -e ".[trade]"
	@mkdir -p .stamps && touch $@

$(DOCS): pyproject.toml $(BESIDE:=/pyproject.toml) $(CORE)
	@echo "[set-up] installing the extra [docs] (some 10 seconds)" >&2
	@$(PIP) install $(if $(LOCK),--constraint $(LOCK)) -e ".[docs]"
	@$(PIP) install --no-deps $(addprefix -e ./,$(BESIDE))
	@mkdir -p .stamps && touch $@

$(FIX): pyproject.toml $(DEV)
	@echo "[set-up] building QuickFIX (some five minutes, once)" >&2
	@CFLAGS="-O1 -g0" CXXFLAGS="-O1 -g0" $(PIP) install -e ".[fix]"
	@mkdir -p .stamps && touch $@

# torch first and by name: so that pip takes the build this machine offers, and not a GPU one as a dependency.
$(DEV): pyproject.toml $(BESIDE:=/pyproject.toml) $(VENV)/pyvenv.cfg
	@echo "[set-up] installing $(TORCH) (half a minute, 0.8 GB)" >&2
	@$(PIP) install "$(TORCH)"
	@echo "[set-up] installing the core and the development tools (half a minute)" >&2
	@$(PIP) install $(if $(LOCK),--constraint $(LOCK)) -e ".[dev]"
	@$(PIP) install --no-deps $(addprefix -e ./,$(BESIDE))
	@mkdir -p .stamps && touch $(CORE) $(TRADE) $@
