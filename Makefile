# Each target sets up what it needs in $(VENV), and none needs root. Everything runs on the built wheel, not on the tree,
# but for what is generated from it.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAGE  := $(VENV)/stage
WHEEL  := $(shell find lifecycle -not -path '*/__pycache__*') README.md LICENSE

.PHONY: help run test soak bench lint diagrams clean

help:
	@echo 'make run       run the example agent on a folder it prepares'
	@echo 'make test      check everything: style, types, layers, tests on the built wheel, coverage'
	@echo 'make soak      draw and tour for an hour what make test does for a minute'
	@echo 'make bench     measure, beside the floors'
	@echo 'make lint      check style, types and layers only'
	@echo 'make diagrams  write anew what is generated: straight steps, pictures and tables'
	@echo 'make clean     take away what make and the tools left behind'

run: $(VENV)/.wheel
	$(BIN)/python examples/demo.py

bench: $(VENV)/.wheel
	$(BIN)/python -m benchmarks

# What is generated describes the tree as it is: no wheel stands between them, be it stale or not.
diagrams: $(VENV)/.tools
	PYTHONPATH=$(CURDIR) $(BIN)/python straight/writing.py
	PYTHONPATH=$(CURDIR) $(BIN)/python -m lifecycle draw
	PYTHONPATH=$(CURDIR) $(BIN)/python docs/explanation/pictures.py
	PYTHONPATH=$(CURDIR) $(BIN)/python docs/reference/tables.py
	PYTHONPATH=$(CURDIR) $(BIN)/python docs/reference/mutants.py
	PYTHONPATH=$(CURDIR) $(BIN)/python docs/reference/reliability.py

# Every check is made, whichever fails; at the end those that failed are named.
CHECK := failed=; check() { echo "== $$1"; name=$$1; shift; "$$@" || failed="$$failed $$name"; }
LINT = \
	check ruff $(BIN)/ruff check --quiet --output-format concise .; \
	check format $(BIN)/ruff format --quiet --check --output-format concise .; \
	check mypy $(BIN)/mypy; \
	check layers $(BIN)/lint-imports --no-logo --no-cache
SIDE_BY_SIDE := --numprocesses auto --dist loadgroup
VERDICT := test -z "$$failed" || { echo "FAILED:$$failed" >&2; exit 1; }

lint: $(VENV)/.wheel
	@$(CHECK); $(LINT); $(VERDICT)

test: $(VENV)/.wheel
	@$(CHECK); $(LINT); \
	rm -f .coverage .coverage.*; \
	check pictures $(BIN)/lifecycle draw --check; \
	check tests $(BIN)/coverage run $(BIN)/pytest $(SIDE_BY_SIDE); \
	check coverage $(BIN)/python .ci/branches; \
	$(VERDICT)

soak: $(VENV)/.wheel
	SOAK=1 $(BIN)/pytest $(SIDE_BY_SIDE) tests/testing tests/reliability tests/runtime/test_schedules.py \
		tests/kernel/test_properties.py tests/check/test_shared.py tests/test_benchmarks.py

clean:
	rm -rf $(VENV) build dist *.egg-info .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stage is a copy of what a wheel is built from: a build can neither dirty the tree nor ship what was deleted.
define stage
	rm -rf $(STAGE)
	mkdir -p $(STAGE)
	cp -R lifecycle pyproject.toml setup.cfg README.md LICENSE $(STAGE)
	find $(STAGE) -name __pycache__ -type d -prune -exec rm -rf {} +
endef

$(VENV)/.tools: pyproject.toml setup.cfg
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else \
	"python: this is %d.%d and lifecycle needs 3.11 or newer; say make PYTHON=python3.11" % sys.version_info[:2])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet 'setuptools>=77'
	@$(stage)
	$(BIN)/python -m pip install --quiet --no-build-isolation '$(STAGE)[all,test]'
	@touch $@

$(VENV)/.wheel: $(VENV)/.tools $(WHEEL)
	@$(stage)
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir $(STAGE)/wheel $(STAGE)
	$(BIN)/python -m pip install --quiet --no-deps --force-reinstall $(STAGE)/wheel/*.whl
	@touch $@
