# make demo   set up, then the main job on made-up images (no data, no GPU needed)
# make test   set up, then the tests
# make check  format, lint, types and layers
# make bench  speed beside other packages, which it installs first; BENCH=metrics for some

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PLUGINS := $(sort $(wildcard plugins/*/pyproject.toml))
READY := $(VENV)/.ready
PEERS := $(VENV)/.peers
BENCH ?=

.PHONY: demo test check bench clean

demo: $(READY)
	$(BIN)/histokit demo

# Two processes of one thread each: as fast on more cores, and no two networks fight for a core.
test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist worksteal

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# One thread each, and processor time: other work on the machine then changes little.
bench: $(PEERS)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m slow -k '$(BENCH)' -rs --benchmark-quiet \
		--override-ini filterwarnings=ignore tests/benchmarks

# One pip call for the core and every plugin, at the versions that were tested together.
$(READY): pyproject.toml .constraints.txt $(PLUGINS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "histokit needs Python 3.11 or newer; found: $$($(PYTHON) --version 2>&1)." \
		       "Try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint .constraints.txt \
		--editable '.[dev]' $(foreach plugin,$(PLUGINS),--editable $(dir $(plugin)))
	@touch $@

# What the benchmarks compare with, at versions that leave ours as they are.
$(PEERS): $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint .constraints.txt \
		--editable '.[bench]'
	@touch $@

clean:
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
