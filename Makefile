# The front door. Every target installs what it needs first and says what it does while it does it.
#   make                    shows this list
#   make up                 everything from nothing to a running system in the sandbox
#   make env                eval "$(make -s env)": pulumi, docker, vault and psql act on the sandbox
#   make cluster            a Kubernetes cluster of three nodes beside VM2, with the same service on it
#   make cluster-down       removes the cluster and what was made for it; make down removes its nodes too
#   make env STACK=cluster  the same for the cluster, with kubectl
#   make rollback           deploys the release before, without a build; with STACK=cluster that of the cluster
#   make down [DATA=delete]  removes what runs; DATA=delete removes volumes and keys too, for good
#   make test [ONLY=suite] [THOROUGH=1] [SINCE=revision]  everything that CI runs, or one suite of it; THOROUGH=1 repeats scenarios more often,
#                           and adds the cluster, as SINCE does if what that depends on has changed since this revision
#   make test ONLY=quick    lint, types, unit tests and the service's fast tests: a few minutes, for daily use
#   make lint               style, rooms, shell, formatting, types, and whether what is generated from config/ is up to date
#   make settings           writes what is generated from config/: Pulumi.yaml's config and docs/settings.md
#   make conformance [PLUGINS=dir]  the stand-in plugins' suite, against the plugins of any PULUMI_HOME
#   make e2e                the end-to-end scenarios in the sandbox
#   make dashboards         pictures of the dashboards, with data, into docs/pictures
#   make checksums          what jobs may fetch of Pulumi and its plugins: fetches it, writes ci/checksums.txt, to be committed
#   make package            the components as a package for another program, build/audit-vm2-components-….tgz
#   make docs               pages about the components and their arguments, build/docs
#   make bench [ONLY=name] [QUICK=1]  the benchmarks; QUICK=1 a short look at them
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help up env cluster cluster-down rollback down test lint settings conformance e2e dashboards checksums package docs bench install

# Bringing things up and testing them share the sandbox, so nothing runs beside anything else.
.NOTPARALLEL:

# Node would ask the machine's proxy even for the sandbox, which listens on 127.0.0.1 (sandbox/src/environment.ts).
unexport NODE_USE_ENV_PROXY

NODE ?= node
CLI := $(NODE) --import tsx sandbox/src/cli.ts
SUITES := $(NODE) --import tsx test/support/run.ts

help:
	@sed -n 's/^#   //p' Makefile

install:
	@$(NODE) sandbox/src/install.mjs

up: install
	@$(CLI) up

env: install
	@$(CLI) env $(if $(STACK),--stack=$(STACK))

cluster: install
	@$(CLI) cluster

cluster-down: install
	@$(CLI) cluster-down

rollback: install
	@$(CLI) rollback $(if $(STACK),--stack=$(STACK))

down: install
	@$(CLI) down $(if $(DATA),$(if $(filter-out delete,$(DATA)),$(error DATA=$(DATA) is not known; DATA=delete removes volumes and keys, without it they are kept),--delete-data))

test: install
	@THOROUGH="$(THOROUGH)" SINCE="$(SINCE)" $(SUITES) $(ONLY)

lint: install
	@$(SUITES) lint shell settings formatting types

settings: install
	@npm run --silent settings

conformance: install
	@PLUGINS="$(PLUGINS)" $(SUITES) conformance

e2e: install
	@$(SUITES) e2e

dashboards: up
	@AUDIT_TEST_PICTURES=docs/pictures node_modules/.bin/mocha --config .mocharc.json --timeout 300000 test/e2e/80-dashboards.test.ts

checksums: install
	@ci/record-checksums.sh

package: install
	@$(NODE) --import tsx tools/build-package.ts

docs: install
	@node_modules/.bin/typedoc

bench: install
	@ONLY="$(ONLY)" QUICK="$(QUICK)" $(NODE) --import tsx test/bench/main.ts
