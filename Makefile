# Two commands are enough: `make run` and `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# The frameworks of the adapters have gigabytes.
ADAPTERS := $(VENV)-adapters

# A virtual environment installed with and without the compiled engine are two different things.
MODE := $(if $(filter 1,$(PAGEBUDDY_PURE)),uncompiled,compiled)
EXTENSIONS := src/pagebuddy/_compiled.pyx src/pagebuddy/_numpy.pyx
SOURCES := pyproject.toml setup.py $(EXTENSIONS) \
           $(addprefix src/pagebuddy/,$(filter-out %/words.pxi,$(shell sed -n 's/^include "\(.*\)"/\1/p' $(EXTENSIONS))))

WORKERS := --numprocesses=4 --dist=worksteal

# Where this is set, each of the processes that run tests compiles all tests anew, for four seconds.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help run replay demo test soak hunt lint types tests together alone adapters pythons docs storm bench clean

help: ## say what there is
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

run: replay demo ## install, replay a real kernel's page stream, pass a video between processes

demo: $(VENV)/.run-$(MODE) ## pass a video between processes, and kill one of them
	@$(BIN)/python -m pagebuddy demo

replay: $(VENV)/.run-$(MODE)
	@$(BIN)/python -m pagebuddy replay data/kernel-server.csv.gz --memory-map data/iomem.txt

# `lint` comes first: it builds the environment that the parallel jobs need.
test: lint ## everything that a change must pass, in four minutes on two cores
	@$(MAKE) --no-print-directory together
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target alone types docs

soak: export PAGEBUDDY_EFFORT = soak
soak: lint types docs tests ## the same with all tests, and longer searches for faults

lint: $(VENV)/.dev-$(MODE)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev-$(MODE)
	$(BIN)/mypy

tests: together alone ## the tests without lint and types

# Tests often wait for other processes, so that two cores serve four workers. Tests of sharing fork often,
# and a fork takes as long as its process is large: their workers do not import all other tests.
together: $(VENV)/.dev-$(MODE)
	$(BIN)/python -m pytest $(WORKERS) -m 'not alone' tests/sharing
	$(BIN)/python -m pytest $(WORKERS) -m 'not alone' --ignore=tests/sharing

# These count descriptors, mappings or files, so that no other test may run beside them.
alone: $(VENV)/.dev-$(MODE)
	$(BIN)/python -m pytest -m alone

adapters: $(ADAPTERS)/.installed ## test the adapters beside the frameworks that they are for
	$(ADAPTERS)/bin/python -m pytest tests/adapters src/pagebuddy/adapters
	$(ADAPTERS)/bin/python -m pytest -m frameworks tests/docs/test_code_blocks.py

pythons: ## run the everyday tests with every Python from 3.10 to 3.15 on this machine
	@.ci/pythons

docs: $(VENV)/.dev-$(MODE) ## build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "open site/index.html; to search in it: $(BIN)/python -m http.server --bind localhost --directory site"

hunt: export PAGEBUDDY_EFFORT = hunt
hunt: export PYTEST_ADDOPTS = --timeout=36000
hunt: tests storm ## search for faults for hours: more examples, kills and flipped bits, larger worlds
	@# The larger worlds of the sharing model are those that its design note lists.
	@grep -oE '`--procs [^`]*`' docs/design/0013-the-sharing-model.md | tr -d '`' | while read -r world; do \
	  $(BIN)/python -m verification.sharing_model $$world || exit 1; done
	@# Those of the other models likewise.
	@grep -oE '`--puts [^`]*`' docs/design/0028-rings.md | tr -d '`' | while read -r world; do \
	  $(BIN)/python -m verification.ring_model $$world || exit 1; done
	@grep -oE '`--calls [^`]*`' docs/design/0029-a-pool-on-rings.md | tr -d '`' | while read -r world; do \
	  $(BIN)/python -m verification.pool_model $$world || exit 1; done

storm: $(VENV)/.dev-$(MODE) ## kill processes that share an arena, a queue, a topic or a pool, for ten minutes
	$(BIN)/python -m verification.storm --seconds 60
	$(BIN)/python -m verification.storm --seconds 60 --lock file
	PAGEBUDDY_PURE=1 $(BIN)/python -m verification.storm --seconds 60
	$(BIN)/python -m verification.storm.messages --seconds 60
	$(BIN)/python -m verification.storm.messages --seconds 60 --lock file
	PAGEBUDDY_PURE=1 $(BIN)/python -m verification.storm.messages --seconds 60
	$(BIN)/python -m verification.storm.topics --seconds 60 --policy drop
	$(BIN)/python -m verification.storm.topics --seconds 60 --policy block
	$(BIN)/python -m verification.storm.pool --seconds 60
	PAGEBUDDY_PURE=1 $(BIN)/python -m verification.storm.pool --seconds 60

bench: $(VENV)/.dev-$(MODE) ## measure beside what else there is, and without the checks; print a table
	-$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[bench]'
	PAGEBUDDY_UNCHECKED=1 $(BIN)/python setup.py --quiet build_ext --inplace
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.data
	$(BIN)/python -m benchmarks.pools
	$(BIN)/python -m benchmarks.fragmentation

clean: ## remove everything that was made
	rm -rf $(VENV) $(ADAPTERS) build dist out site benchmarks/_*.c src/*.egg-info src/pagebuddy/_*.c src/pagebuddy/_*.so src/pagebuddy/*/words.pxi src/pagebuddy/*/*/words.pxi

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "pagebuddy needs Python 3.10 or later; name one with: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(ADAPTERS)/.installed: tests/adapters/constraints.txt $(SOURCES)
	test -d $(ADAPTERS) || $(PYTHON) -m venv $(ADAPTERS)
	$(ADAPTERS)/bin/pip install --quiet --disable-pip-version-check --constraint $< --editable '.[adapters]'
	@touch $@

$(VENV)/.run-$(MODE): $(BIN)/python $(SOURCES)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[cli,plot]'
	@$(BIN)/python -c 'import pagebuddy; print("installed, the engine is", "compiled" if pagebuddy.COMPILED else "not compiled: it works, slowly")'
	@touch $@

$(VENV)/.dev-$(MODE): $(BIN)/python $(SOURCES)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@$(BIN)/python -c 'import pagebuddy; print("installed, the engine is", "compiled" if pagebuddy.COMPILED else "not compiled: it works, slowly")'
	@touch $@ $(VENV)/.run-$(MODE)
