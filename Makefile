# `make` alone says what there is to make.

PYTHON ?= python3
# An index with CPU builds of PyTorch, for machines where the ordinary build would bring gigabytes of GPU libraries.
TORCH_INDEX ?=

VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# Stamps: an installation is repeated only when what it was made from changes.
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
NATIVE := $(wildcard native/*)

.DEFAULT_GOAL := help
.PHONY: help demo venv test test-slow check sanitize clean

help: ## say what there is to make
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1	/' | while IFS='	' read -r target text; \
		do printf '  make %-10s %s\n' "$$target" "$$text"; done
	@echo
	@echo '  PYTHON=python3.12   the Python (3.11 or newer) that the virtual environment is made with'
	@echo '  TORCH_INDEX=URL     take PyTorch from this package index, such as one with CPU builds'

demo: $(INSTALLED) ## train on the bundled names and print ten new ones
	$(BIN)/moreish train

venv: $(INSTALLED_DEV) ## make the virtual environment .venv, with everything for development

test: $(INSTALLED_DEV) ## run the tests
	$(BIN)/python -m pytest

test-slow: $(INSTALLED_DEV) ## run the tests that take minutes
	$(BIN)/python -m pytest -m slow --timeout 0

check: export PATH := $(CURDIR)/$(BIN):$(PATH) # pyright looks for packages in the Python that it finds there
check: $(INSTALLED_DEV) ## check style, types and floors
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright --warnings
	$(BIN)/pyright --verifytypes moreish --ignoreexternal
	$(BIN)/lint-imports

# Without site (-S), or the editable installation would come before the one in build/sanitized.
sanitize: $(INSTALLED_DEV) ## look for errors of memory in native/ with GCC's sanitizers
	$(PIP_INSTALL) --no-deps --upgrade --target build/sanitized --config-settings=build-dir=build/sanitizing \
		--config-settings=cmake.define.MOREISH_SANITIZE=ON .
	LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" ASAN_OPTIONS=detect_leaks=0 \
		PYTHONPATH=build/sanitized:$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("platlib"))') \
		$(BIN)/python -S -m pytest --timeout 0 tests/engines tests/generation/test_walk.py

clean: ## remove the virtual environment and the caches (runs stay)
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache .benchmarks

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "moreish needs Python 3.11 or newer. Name one: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# PyTorch comes first and alone from its own index, so that everything else comes from the ordinary one.
$(INSTALLED): pyproject.toml constraints.txt $(NATIVE) | $(BIN)/python
	@echo 'Installing. PyTorch is large: the first time takes some minutes.'
	$(if $(TORCH_INDEX),$(PIP_INSTALL) --index-url '$(TORCH_INDEX)' --no-deps torch)
	$(PIP_INSTALL) --editable .
	@touch $@

$(INSTALLED_DEV): $(INSTALLED)
	$(PIP_INSTALL) --editable '.[dev]'
	@touch $@
