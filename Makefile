# Works on a fresh clone with Python 3.11+ and nothing else prepared.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
SWIFT := .venv-swift
export OMP_WAIT_POLICY := PASSIVE

# As many tests at once as there are cores, and whole groups of them to one process: tests/support/sharing_out.py.
PROCESSES ?= 2
TOGETHER := -n $(PROCESSES) --dist=loadscope --no-loadscope-reorder

.PHONY: help setup demo serve check study test test-thorough test-contract test-cases test-inputs test-faults test-release release-check lint format docs clean lock pin-images \
	check-tests lint-code lint-types lint-published

help: ## what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

setup: $(STAMP) ## virtual environment, dependencies, front-end assets

# The three distributions, editable.
DISTRIBUTIONS := -e distributions/primesvt-client -e distributions/primesvt

$(STAMP): pyproject.toml $(wildcard distributions/*/pyproject.toml) constraints.txt package-lock.json
	$(PYTHON) -c 'import sys; sys.exit("PrimeSVT needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@# A clone from before there were three: the old one's removal would take the command with it, later.
	if test -d primesvt.egg-info; then $(BIN)/python -m pip uninstall --quiet --yes primesvt; rm -r primesvt.egg-info; fi
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt $(DISTRIBUTIONS) -e '.[dev]'
	@# On all cores, where pip uses one; files that are no Python of today are left as they are.
	-$(BIN)/python -m compileall -q -j 0 $(VENV)/lib >/dev/null 2>&1
	-$(BIN)/python -m app.web.build
	-$(BIN)/python -m app.web.build_site
	-$(BIN)/python -m primesvt_core.engines.compiling
	touch $@

demo: setup ## the whole way, through the real service: upload, compress, download, check
	$(BIN)/primesvt demo

serve: setup ## the service on this machine
	$(BIN)/primesvt serve

# The S3 server of the tests. It has an environment of its own; where it cannot be installed, what needs it is skipped.
$(SWIFT)/.ready: $(STAMP) constraints.txt
	-test -x $(SWIFT)/bin/python || $(PYTHON) -m venv $(SWIFT)
	-$(SWIFT)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt swift && touch $@

test: setup $(SWIFT)/.ready ## all tests: less than ten minutes on two cores
	$(BIN)/python -m pytest -q $(TOGETHER)

check: setup ## in a minute or so, while one works: formatting, lints, types, import contracts, tests without torch
	$(MAKE) -j lint-code lint-types check-tests

check-tests:
	$(BIN)/python -m pytest -q -r fE -p tests.support.torchless -m 'not slow and not faults and not thorough' tests/core tests/architecture

test-thorough: setup $(SWIFT)/.ready ## all tests, also those of minutes, and more examples by chance: half an hour
	PRIMESVT_THOROUGH=1 $(BIN)/python -m pytest -q $(TOGETHER) -m 'not faults and not release'

test-contract: setup ## the REST API against its OpenAPI document, 200 cases an operation
	PRIMESVT_CONTRACT_CASES=200 $(BIN)/python -m pytest -q $(TOGETHER) tests/contract

# Inputs from the field lie beside the checkout, where they are there at all.
CASES := ../shared/cases/check.py

test-cases: setup ## what people have as data and checkpoints, each with its right value: minutes
	@if test -f $(CASES); then $(BIN)/python $(CASES) $(BIN)/primesvt "$$(mktemp -d)"; \
	else echo "$(CASES) is not there: the cases are not tried"; fi

test-inputs: setup ## hundreds of forms of the same images, each with what comes of it: a few minutes
	$(BIN)/python -m tests.inputs.report

test-faults: setup $(SWIFT)/.ready ## hurt every part of the real service; half an hour
	$(BIN)/python -m pytest -q -m faults tests/faults tests/app/jobs/test_machine.py tests/e2e

study: setup ## run what is missing of the study, and write docs/results.md: hours; with QUICK=--quick ten minutes
	$(BIN)/python -m bench.study $(QUICK)

# Packages with known vulnerabilities; whether the index tells of any is asked first, for mirrors do not.
ANSWERS := import httpx; httpx.get("https://pypi.org/pypi/requests/2.32.0/json", timeout=10).json()["vulnerabilities"]
AUDIT = if $(BIN)/python -c '$(ANSWERS)' 2>/dev/null; then \
	$(BIN)/pip-audit --vulnerability-service pypi --requirement constraints.txt --no-deps --disable-pip \
	--progress-spinner off; else echo "pypi.org does not answer here: dependencies are not audited"; fi

test-release: setup ## what release-check does, as a test
	$(BIN)/python -m pytest -q -m release tests/release

release-check: setup ## build the three distributions of what is committed, try each alone: up to ten minutes
	$(BIN)/python -m release.check

lint: setup ## formatting, lints, types, import contracts, published documents, compose file
	$(MAKE) -j lint-code lint-types lint-published

lint-types: # alone takes as long as all the rest
	$(BIN)/mypy app worker primesvt primesvt_core primesvt_client tests examples bench docs hatch_build.py release

lint-code:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

lint-published:
	$(BIN)/python docs/generate.py --check
	$(BIN)/bandit --quiet --severity-level medium --recursive app worker primesvt primesvt_core primesvt_client migrations docs hatch_build.py release
	@$(AUDIT)
	@if docker compose version >/dev/null 2>&1; then docker compose --env-file .env.example config --quiet; \
	else echo "docker compose is not on this machine: docker-compose.yml is validated by its schema alone (make test)"; fi

docs: setup ## write what is published of the code: JSON Schemas, reference, README's results; build the site of the documents
	$(BIN)/python docs/generate.py
	$(BIN)/python -m app.web.build_site

# uv asks the index for the digests of all files; pip knows those of the files that it has fetched.
LOCKER := .venv-lock
lock: setup ## write requirements.lock and requirements-api.lock: what images and releases install, by digest
	test -x $(LOCKER)/bin/python || $(PYTHON) -m venv $(LOCKER)
	$(LOCKER)/bin/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	$(BIN)/python -m release.lock $(LOCKER)/bin/uv
	$(BIN)/python -m release.slim

pin-images: setup ## pin the images in docker-compose.yml and Dockerfile by digest, where their registry answers
	$(BIN)/python -m release.images

format: setup ## what can be repaired by itself
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove what make made
	rm -rf $(VENV) $(SWIFT) $(LOCKER) node_modules app/web/static/vendor app/web/site
