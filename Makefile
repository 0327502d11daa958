# Two commands on a fresh machine with Python 3.11 or newer, make and a package registry:
#   make demo    install, run the demo on generated footage, say where its page lies
#   make test    install with the development tools, run every test
# The demo needs no torch. With it, for published weights and GPUs, and the small CPU build of it:
#   make install EXTRAS=torch TORCH_INDEX=https://download.pytorch.org/whl/cpu

PYTHON      ?= python3
VENV        ?= .venv
OUT         ?= demo-out
DIST        ?= dist
EXTRAS      ?=
TORCH_INDEX ?=

BIN   := $(VENV)/bin
PIP    = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
         $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
# Both ask for opencv-python, which would replace opencv-python-headless: installed without what they ask for.
JUDGE  = trackeval==1.3.0
RIVALS = trackers==2.6.1
INSTALLED := $(VENV)/.installed$(if $(EXTRAS),-$(EXTRAS))
QUIET  = OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false

.DEFAULT_GOAL := help
.PHONY: help install install-dev demo test lint format dist docs bench clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: seektrack needs Python 3.11 or newer, $(PYTHON) is $$($(PYTHON) -V 2>&1) — make PYTHON=python3.11 …" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "error: $(PYTHON) cannot make a virtual environment — on Debian: apt-get install python3-venv" >&2; exit 1; }

# The stamps are older than pyproject.toml or constraints.txt only when an install is due.
$(INSTALLED): pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing seektrack into $(VENV) (once, a few minutes) …"
	@$(PIP) -e '.$(if $(EXTRAS),[$(EXTRAS)])'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing seektrack and its development tools into $(VENV) (once, a few minutes) …"
	@$(PIP) -e '.[dev,train]'
	@$(PIP) --no-deps $(JUDGE) $(RIVALS)
	@touch $@ $(VENV)/.installed

install: $(INSTALLED)  ## install into .venv; EXTRAS=torch,serve
install-dev: $(VENV)/.installed-dev  ## install into .venv with the development tools

demo: $(INSTALLED)  ## run the whole way on generated footage; OUT=folder
	@$(BIN)/seektrack demo --out $(OUT)

test: $(VENV)/.installed-dev  ## run every test
	@$(QUIET) $(BIN)/python -m pytest -q -n logical --maxprocesses 8 --dist loadfile

lint: $(VENV)/.installed-dev  ## style, types and the import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev  ## rewrite the sources in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

dist: $(VENV)/.installed-dev  ## wheel and source archive, in dist/
	@$(BIN)/python -m build --outdir $(DIST) . >/dev/null && ls $(DIST)

docs: $(VENV)/.installed-dev  ## the documentation as pages, in build/docs
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "open build/docs/guide/index.html"

bench: $(VENV)/.installed-dev  ## measure speed and memory; see docs/benchmarks.md
	@for script in benchmarks/*.py; do echo "== $$script"; $(QUIET) $(BIN)/python $$script || exit 1; done

clean:  ## remove the environment, caches and the demo's output
	rm -rf $(VENV) $(OUT) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
