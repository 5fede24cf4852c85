# The Makefile makes the environment and calls `python -m paperlib`; everything else is Python.

VENV ?= .venv
chosen := $(value PAPER)
PAPER ?= dfd
REFERENCE ?= build/reference/env
PYTHON = $(VENV)/bin/python
export PYTHONPATH := $(CURDIR)

# What the user sets reaches the shell in the environment, as it stands: make expands none of it.
given = PAPER PROFILE DATASET DATA_ROOT SEEDS BUDGET FRESH DEVICE WORKERS JSON ROBUSTNESS IMAGES
$(foreach v,$(given),$(if $(value $v),$(eval override $v := $$(value $v))$(eval export $v)))

what = "$$PAPER" $(call flag,PROFILE,profile) $(call flag,DATASET,dataset) $(call flag,SEEDS,seeds) $(data)
data = $(call flag,DATA_ROOT,data-root)
budget = $(call flag,BUDGET,budget) $(call switch,FRESH,fresh)
device = $(call flag,DEVICE,device)
flag = $${$1:+"--$2=$$$1"}
switch = $${$1:+--$2}
papers = $(if $(chosen),$(call flag,PAPER,paper))

# The published functions run in their own environment; ours beside them need torch, which lies in ours.
reference = PYTHONPATH=$(CURDIR):$(CURDIR)/tests $(REFERENCE)/bin/python -m reference
reference_flags = $(call flag,ROBUSTNESS,robustness) $(call flag,IMAGES,images) --library "$$($(torch))"
torch = $(PYTHON) -c "import torch; print(torch.__path__[0].removesuffix('torch'))"

.PHONY: help reproduce record verdicts book readme bench bench-corruptions parity quick test clean
help: ## this list
	@echo "make COMMAND [VARIABLE=value ...]"; echo
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 21
	@echo; sed -n 's/^PAPERS = (\(.*\))$$/  PAPER=\1/p' paperlib/papers/__init__.py | sed 's/, /|/g; s/"//g'
	@sed -n 's/^## //p' Makefile

##   PROFILE=smoke|demo|cpu|paper how much is trained (default: paper with a GPU and the data, else demo)
##   DATASET=synthdigits|cifar10|cifar100|svhn|scenes|voc2007|FOLDER@PIXELS     with commas (default: the profile's)
##   DATA_ROOT=folder             where the data sets are, or are downloaded to
##   BUDGET=90s|30m|2h            time to train: headline claims first, then what is cheapest to decide
##   SEEDS=n                      a fixed number of seeds of everything (default: until the headline claims are decided)
##   FRESH=1                      train again what other code or other data made
##   DEVICE=cpu|cuda  WORKERS=n   device, runs trained at once
##   JSON=1                       verdicts: as a list of objects
##   VENV=folder                  the environment (default: .venv)
##   ROBUSTNESS=folder            parity: a checkout of hendrycks/robustness
##   IMAGES=folder                parity, bench-corruptions: photographs
##   REFERENCE=folder             the environment of the published functions (default: build/reference/env)

reproduce: $(VENV)/.stamp ## train what is missing, print the paper's tables beside ours, render the chapter
	@$(PYTHON) -m paperlib reproduce $(what) $(budget) $(device) $(call flag,WORKERS,workers)

record: $(VENV)/.stamp ## copy a reproduction's finished runs into data/results/
	@$(PYTHON) -m paperlib record $(what)

verdicts: $(VENV)/.stamp ## what came of the claims of all papers, or of PAPER, from the committed records
	@$(PYTHON) -m paperlib verdicts $(papers) $(call switch,JSON,json)

book: $(VENV)/.stamp ## execute the chapters from the records, build the HTML site
	@$(PYTHON) -m paperlib book

readme: $(VENV)/.stamp ## write the tables and the picture of README and book from the records
	@$(PYTHON) -m paperlib readme

bench: $(VENV)/.stamp ## measure speed; writes data/results/bench/
	@$(PYTHON) -m paperlib bench

bench-corruptions: $(VENV)/.stamp $(REFERENCE)/.stamp ## race the corruptions against the package imagecorruptions
	@$(reference) speed $(reference_flags) $(device)

parity: $(VENV)/.stamp $(REFERENCE)/.stamp ## compare the corruptions with the published functions; see tests/reference
	@$(reference) golden $(reference_flags)
	@$(reference) fed $(reference_flags) $(data)
	@$(reference) free $(reference_flags)

quick: $(VENV)/.stamp ## lint, types, import contracts, the fast tests
	@$(PYTHON) -m paperlib test --quick

test: $(VENV)/.stamp ## lint, types, import contracts, all tests, notebooks, book
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
