# The Makefile makes the environment and calls `python -m paperlib`; everything else is Python.
# Variables: VENV, PAPER, PROFILE, DATASET, DATA_ROOT, SEEDS, DEVICE, WORKERS; REFERENCE, ROBUSTNESS, IMAGES.

VENV ?= .venv
PYTHON = $(VENV)/bin/python
PAPER ?= dfd
REFERENCE ?= build/reference/env
export PYTHONPATH := $(CURDIR)

flags = $(if $(PROFILE),--profile $(PROFILE)) $(if $(DATASET),--dataset $(DATASET)) $(if $(SEEDS),--seeds $(SEEDS)) \
        $(if $(DATA_ROOT),--data-root $(DATA_ROOT))

# The published functions run in their own environment; ours beside them need torch, which lies in ours.
reference = PYTHONPATH=$(CURDIR):$(CURDIR)/tests $(REFERENCE)/bin/python -m reference
reference_flags = $(if $(ROBUSTNESS),--robustness $(ROBUSTNESS)) $(if $(IMAGES),--images $(IMAGES)) --library $$($(torch))
torch = $(PYTHON) -c "import torch; print(torch.__path__[0].removesuffix('torch'))"

.PHONY: help reproduce record book readme bench bench-corruptions parity test clean
help: ## this list
	@echo "make COMMAND [VARIABLE=value ...]"; echo
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 21
	@echo; sed -n 's/^## //p' $(MAKEFILE_LIST)

##   PAPER=dfd|fq|ddp|sfd|ssdl|compared   the paper; compared: all methods on one protocol
##   PROFILE=smoke|demo|cpu|paper how much is trained (default: paper with a GPU and the data, else demo; cpu: fq, ssdl)
##   DATASET=synthdigits|cifar10|cifar100|svhn|scenes|voc2007|FOLDER@PIXELS     with commas (default: the profile's)
##   DATA_ROOT=folder             where the data sets are, or are downloaded to
##   SEEDS=n  DEVICE=cpu|cuda  WORKERS=n     seeds, device, runs trained at once
##   VENV=folder                  the environment (default: .venv)
##   ROBUSTNESS=folder            parity: a checkout of hendrycks/robustness
##   IMAGES=folder                parity, bench-corruptions: photographs
##   REFERENCE=folder             the environment of the published functions (default: build/reference/env)

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

bench-corruptions: $(VENV)/.stamp $(REFERENCE)/.stamp ## race the corruptions against the package imagecorruptions
	@$(reference) speed $(reference_flags) $(if $(DEVICE),--device $(DEVICE))

parity: $(VENV)/.stamp $(REFERENCE)/.stamp ## compare the corruptions with the published functions; see tests/reference
	@$(reference) golden $(reference_flags)
	@$(reference) fed $(reference_flags) $(if $(DATA_ROOT),--data-root $(DATA_ROOT))
	@$(reference) free $(reference_flags)

test: $(VENV)/.stamp ## lint, types, tests, notebooks, book
	@$(PYTHON) -m paperlib test

clean: ## remove what was built; runs/ and the environment stay
	rm -rf build

$(VENV)/.stamp: pyproject.toml
	test -x $(PYTHON) || python3 -m venv $(VENV)
	$(PYTHON) -m pip install -q -e '.[book,test]'
	touch $@

$(REFERENCE)/.stamp: tests/reference/requirements.txt
	test -x $(REFERENCE)/bin/python || python3 -m venv $(REFERENCE)
	$(REFERENCE)/bin/python -m pip install -q -r tests/reference/requirements.txt
	$(REFERENCE)/bin/python -m pip install -q --no-deps imagecorruptions==1.1.2
	touch $@
