# The Makefile makes the environment and calls `python -m paperlib`; everything else is Python.
# Variables: VENV, PAPER, PROFILE, DATASET, DATA_ROOT, SEEDS, DEVICE, WORKERS.

VENV ?= .venv
PYTHON = $(VENV)/bin/python
PAPER ?= dfd
export PYTHONPATH := $(CURDIR)

flags = $(if $(PROFILE),--profile $(PROFILE)) $(if $(DATASET),--dataset $(DATASET)) $(if $(SEEDS),--seeds $(SEEDS)) \
        $(if $(DATA_ROOT),--data-root $(DATA_ROOT))

.PHONY: help reproduce record book readme bench test clean
help: ## this list
	@echo "make COMMAND [VARIABLE=value ...]"; echo
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  \1\t\2/' | expand -t 14
	@echo; sed -n 's/^## //p' $(MAKEFILE_LIST)

##   PAPER=dfd                    the paper
##   PROFILE=smoke|demo|paper     how much is trained (default: paper with a GPU and the data, else demo)
##   DATASET=synthdigits|cifar10|cifar100|svhn     one or more, separated by commas (default: the profile's)
##   DATA_ROOT=folder             where the data sets are, or are downloaded to
##   SEEDS=n  DEVICE=cpu|cuda  WORKERS=n     seeds, device, runs trained at once
##   VENV=folder                  the environment (default: .venv)

reproduce: $(VENV)/.stamp ## train what is missing, print the paper's tables beside ours, render the chapter
	@$(PYTHON) -m paperlib reproduce $(PAPER) $(flags) $(if $(DEVICE),--device $(DEVICE)) $(if $(WORKERS),--workers $(WORKERS))

record: $(VENV)/.stamp ## copy a reproduction's finished runs into data/results/
	@$(PYTHON) -m paperlib record $(PAPER) $(flags)

book: $(VENV)/.stamp ## execute the chapters from the records, build the HTML site
	@$(PYTHON) -m paperlib book

readme: $(VENV)/.stamp ## write the README's tables anew, from the records
	@$(PYTHON) -m paperlib readme

bench: $(VENV)/.stamp ## measure speed; writes data/results/bench/
	@$(PYTHON) -m paperlib bench

test: $(VENV)/.stamp ## lint, types, tests, notebooks, book
	@$(PYTHON) -m paperlib test

clean: ## remove what was built; runs/ and the environment stay
	rm -rf build

$(VENV)/.stamp: pyproject.toml
	test -x $(PYTHON) || python3 -m venv $(VENV)
	$(PYTHON) -m pip install -q -e '.[book,test]'
	touch $@
