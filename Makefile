# The few commands of the project; `make` alone lists them.

PORT ?= 9000
VENV ?= .venv
PYTHON ?=
ARGS ?=
EXAMPLES ?= 300

python = $(VENV)/bin/python
on_all_cores = -n auto --maxprocesses 4 --dist loadgroup
compile = $(python) -m piptools compile --quiet --strip-extras --no-emit-find-links --no-emit-index-url \
	--no-emit-trusted-host $(ARGS)

.PHONY: help environment run test fuzz guards faults bench stop reset lint types requirements

help:
	@echo 'make run           serve http://127.0.0.1:9000 with a demo; PORT= takes another port'
	@echo 'make test          run all tests, on all cores; ARGS= goes to pytest, on one'
	@echo 'make fuzz          play random histories of books for minutes; EXAMPLES= says how many'
	@echo 'make guards        write docs/guards.md anew: what the books refuse, on which path'
	@echo 'make faults        write docs/backup-faults.md anew: what goes wrong with backups, and what is read then'
	@echo 'make bench         time the goals of speed on a million lines and more (about 25 minutes)'
	@echo 'make stop          end the embedded database, and the `make run` that uses it'
	@echo 'make reset         delete the embedded database, after a typed yes'
	@echo 'make lint          check style and the direction of imports'
	@echo 'make types         check types'
	@echo 'make requirements  pin all packages anew; ARGS=--upgrade takes the newest'
	@echo 'PYTHON= names an interpreter, VENV= another folder than .venv'

environment:
	@VENV='$(VENV)' PYTHON='$(PYTHON)' sh requirements/venv.sh

run: environment
	@exec $(python) manage.py run --port '$(PORT)'

test: environment
	@VENV='$(VENV)' sh tests/browser.sh
	@sh tests/tools.sh
	@exec $(python) -m pytest $(or $(ARGS),$(on_all_cores))

fuzz: environment
	@HYPOTHESIS_PROFILE=long FUZZ_EXAMPLES='$(EXAMPLES)' exec $(python) -m pytest tests/ledger/test_histories_property.py -s $(ARGS)

guards: environment
	@WRITE_GUARDS=1 exec $(python) -m pytest tests/ledger/test_guards.py $(ARGS)

faults: environment
	@WRITE_FAULTS=1 exec $(python) -m pytest tests/backups/test_fault_table.py $(ARGS)

bench: environment
	@$(python) -m tests.bench $(ARGS)
	@$(python) -m tests.bench.imports
	@$(python) -m tests.bench.backups
	@exec $(python) -m tests.bench.point_in_time

stop: environment
	@exec $(python) -m ledgerflow.embedded stop

reset: environment
	@exec $(python) -m ledgerflow.embedded drop

lint: environment
	@$(python) -m ruff check .
	@$(python) -m ruff format --check .
	@$(VENV)/bin/lint-imports

types: environment
	@LEDGERFLOW_ENV=test DATABASE_URL=postgres://localhost/unused $(python) -m mypy

requirements: environment
	@$(compile) -o requirements/base.txt requirements/base.in
	@$(compile) -o requirements/dev.txt requirements/dev.in
	@$(compile) -o requirements/prod.txt requirements/prod.in
