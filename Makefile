# Everything a person or CI does with this repository. Needs Node (any), Go and make; the rest is set up here.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
export NODE_OPTIONS :=

.PHONY: gate help setup tools demo test check build generate verify bench campaign explore mutants e2e generations contract clean

help: ## print this help
	@awk 'BEGIN { FS = ":.*## " } /^[a-z0-9]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

node_modules/.installed: package.json package-lock.json
	@echo "installing the npm dependencies (Node 24 is one of them)" >&2
	@npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2
	@touch $@

setup: node_modules/.installed ## install the npm dependencies

tools: setup ## build the control plane's programs (once, about 15 minutes on a cold machine; cached outside the repository)
	@npm run --silent tools >&2

build: setup ## bundle the operator into dist/operator.mjs
	@npm run --silent build

demo: tools build ## show the main job on a real control plane (VERSION=6, 7, 8.2, 10 to 13, xbyk; REGISTRATION=Application; KEEP=1 leaves it open; MSSQL_URL=... uses a real server)
	@npm run --silent demo

test: gate tools build ## run every test (MSSQL_URL=... also asks a real server)
	@npm run --silent test

check: gate ## the fast gate: types, lint, generated files fresh, unit tests; no cluster
	@npm run --silent test:unit

gate: setup
	@npm run --silent types & types=$$!; npm run --silent lint & lint=$$!; \
	wait $$types; wait $$lint; npm run --silent verify

generate: setup ## write the generated files: types and chart copy from the CRD, the README's tables from code
	@npm run --silent generate

verify: setup ## check that the generated files are fresh
	@npm run --silent verify

bench: tools build ## measure what design.md promises, each figure with its floor
	@npm run --silent bench

campaign: setup ## search random bad days for a broken promise (SCHEDULES=1000000, SEED=...)
	@npm run --silent campaign -- --schedules $(or $(SCHEDULES),1000000) $(if $(SEED),--seed $(SEED))

explore: setup ## try every order of events in small worlds, about ten minutes each way
	@npm run --silent explore

mutants: setup ## plant bugs one at a time and show which check finds each
	@npm run --silent mutants

e2e: tools build ## kill the operator a hundred times on a real control plane while its pods come and go
	@npm run --silent e2e

generations: tools build ## run the integration suite on Kentico 6 to 12 too (VERSIONS="6 10"); make test runs it on 13
	@for version in $(or $(VERSIONS),6 7 8.2 10 11 12); do \
	  echo "the integration suite on Kentico $$version" >&2; \
	  TEST_GENERATION=$$version npm run --silent test -- test/integration --selectProjects cluster; \
	done

contract: setup ## what the operator relies on of SQL Server (MSSQL_URL=... asks a real one)
	@npm run --silent contract

clean: ## remove what was built in this folder
	@rm -rf dist node_modules coverage
