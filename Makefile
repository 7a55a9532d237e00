# Every stage of the course. MODULE=08 (or 08_optimizers) picks one module where a stage works on modules.

MODULE ?=
STUDENT ?=
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
RUN := $(BIN)/tinytorch
PICK := $(if $(MODULE),--module '$(MODULE)')
PICK_STUDENT := $(if $(STUDENT),--student '$(STUDENT)')

# The course runs on what is in .venv, whatever the shell it is started from has set.
unexport PYTHONPATH PYTHONHOME

.DEFAULT_GOAL := help
.PHONY: help setup notebooks execute export check release autograde feedback grades examples mutants bench \
        experiments figures lab test course clean

help: ## show this list
	@echo "make TARGET [MODULE=08] [STUDENT=name]"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(STAMP) ## make .venv with everything the course needs

# Python 3.11 is what the constraints were tested with; newer ones are taken where it is missing.
$(STAMP): pyproject.toml constraints.txt
	@test -x $(BIN)/python || { \
	  for python in $(PYTHON) python3.11 python3.12 python3.13 python3.14 python3; do \
	    if "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	      echo "making $(VENV) with $$python"; exec "$$python" -m venv --clear $(VENV); \
	    fi; \
	  done; \
	  echo "make: found no Python 3.11 or newer with venv; install one (Debian: python3.11-venv) or name it: make setup PYTHON=/path/to/python" >&2; \
	  exit 1; }
	@echo "installing what the course needs (a few minutes the first time)"
	@PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install --quiet --disable-pip-version-check --prefer-binary \
	  --editable '.[course,test]'
	@$(RUN) jupyter-config
	@touch $@

notebooks: setup ## build the notebooks from modules/source/*/*_dev.py
	@$(RUN) notebooks $(PICK)

execute: notebooks ## run the built notebooks whole; results in build/executed
	@$(RUN) execute $(PICK)

export: setup ## write tinytorch/core from the sources
	@$(RUN) export $(PICK)

check: setup ## check sources, metadata and exported package
	@$(RUN) check $(PICK)

release: notebooks ## build and prove the student notebooks in modules/release
	@$(RUN) release $(PICK)

autograde: setup ## grade modules/submitted/STUDENT/NN_name (FORCE=1: also what has not changed)
	@$(RUN) autograde $(PICK) $(PICK_STUDENT) $(if $(FORCE),--force)

feedback: setup ## write modules/feedback for what was graded
	@$(RUN) feedback $(PICK) $(PICK_STUDENT)

grades: setup ## print the grades and write modules/grades.csv
	@$(RUN) grades $(PICK)

examples: release ## grade the bundled example submissions and print their table
	@$(RUN) examples $(PICK)

mutants: setup ## change the solutions one place at a time: do the graded tests notice?
	@$(RUN) mutants $(PICK)

bench: setup ## time the optimizers against NumPy expressions and, where it is installed, PyTorch
	@$(RUN) bench

experiments: setup ## run the sweeps that compare the optimizers; their results stand beside the scripts
	@$(RUN) experiments

figures: setup ## compute the figures of README and docs
	@$(RUN) figures

lab: notebooks ## open JupyterLab in the course, with formgrader
	@$(BIN)/jupyter lab --ServerApp.root_dir=modules

test: setup ## run the tests
	@$(RUN) test $(PICK)

course: setup ## everything: notebooks, execution, export, check, release, graded examples
	@$(RUN) course $(PICK)

clean: setup ## remove what was built; never submissions, grades or the gradebook
	@$(RUN) clean
