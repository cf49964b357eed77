# Sluice. `make` lists the targets. Tools are pinned here and run with
# `go run module@version`: nothing is installed for good.

SHELL         := bash
.SHELLFLAGS   := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS     += --no-print-directory

GO       ?= go
FUZZTIME ?= 30s
VERSION   = $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
COMMIT    = $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
LDFLAGS   = -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)

GOFUMPT     := mvdan.cc/gofumpt@v0.12.0
GOLANGCI    := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0

KUSTOMIZE   := sigs.k8s.io/kustomize/kustomize/v5@v5.8.2
# What the manifests are held to: the oldest and the newest.
KUBERNETES  := 1.29 1.37

##@ Use

.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@/ { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: build ## Build, then serve the demo on http://127.0.0.1:8080/
	@exec bin/sluice serve

.PHONY: fleet
fleet: build ## Start three nodes and a balancer on this machine, and say what to try (installs Debian's haproxy as root)
	@command -v haproxy >/dev/null || .ci/install haproxy
	@exec configs/fleet/up.sh

.PHONY: build
build: ## Build bin/sluice and bin/flood
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

.PHONY: clean
clean: ## Remove what the other targets made
	rm -rf bin bench/out .cache/million .cache/interop.txt gateway/interop/node_modules bench/interop/node_modules
	cd gateway/interop/clients && rm -rf js/node_modules python/.venv rust/target java/target

##@ Test

.PHONY: test
test: ## Run the tests; needs Go alone
	$(GO) test ./...

.PHONY: race
race: ## Run the tests under the race detector (needs cc)
	CGO_ENABLED=1 $(GO) test -race ./...

.PHONY: check
check: fmt vet lint vuln deps test ## All that a change must pass: fmt vet lint vuln deps test

.PHONY: fuzz
fuzz: ## Fuzz every target for FUZZTIME each (30s)
	@$(GO) test -list '^Fuzz' ./... \
	| awk '/^Fuzz/ { name[n++] = $$1 } /^ok/ { for (i = 0; i < n; i++) print $$2, name[i]; n = 0 }' \
	| while read -r pkg name; do \
	    echo "fuzz: $$pkg $$name"; \
	    $(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) "$$pkg" </dev/null; \
	  done

.PHONY: interop
interop: ## Drive a node with the clients that platforms use, and npm's ws server with the flood
	@for tool in $(if $(CLIENTS),,node npm); do command -v $$tool >/dev/null || { \
	  echo "$$tool not found: install Node.js (Debian: nodejs npm), or drive only some: make interop CLIENTS=\"python rust java go browser\"" >&2; exit 1; }; done
	$(if $(CLIENTS),,cd gateway/interop && npm ci --no-audit --no-fund)
	$(if $(CLIENTS),,cd bench/interop && npm ci --no-audit --no-fund)
	@mkdir -p .cache && rm -f .cache/interop.txt; code=0; \
	$(GO) test -count=1 -parallel 12 -tags interop -run $(if $(CLIENTS),'^TestMatrix$$','Matrix|Curl|Npm') ./gateway/interop \
	  -clients '$(CLIENTS)' -table '$(CURDIR)/.cache/interop.txt' $(if $(SAVE),-update) || code=1; \
	$(if $(CLIENTS),:,$(GO) test -count=1 -tags interop -run Npm ./bench/interop) || code=1; \
	if [ -f .cache/interop.txt ]; then echo; cat .cache/interop.txt; fi; exit $$code

.PHONY: test-fleet
test-fleet: ## Run the tests of a fleet with a real nats-server and redis-server (installs Debian's as root)
	@command -v nats-server >/dev/null || .ci/install nats-server
	@command -v redis-server >/dev/null || .ci/install redis-server
	@command -v ip >/dev/null || .ci/install iproute2 || [ -z "$$CI" ] # without it, the test of a cut network is skipped
	$(GO) test -count=1 -parallel 4 -tags fleet -run 'Fleet|External' ./gateway/interop/fleet ./gateway/broker/... ./gateway # the longest first

.PHONY: browser
browser: ## Drive the demo and the report in a headless Chromium (installs Debian's as root)
	@command -v chromium >/dev/null || .ci/install chromium
	$(GO) test -count=1 -tags browser ./gateway/interop/browser ./bench/report

##@ Check, one by one

.PHONY: fmt
fmt: ## Fail on files that gofmt or gofumpt would change
	@out=$$(gofmt -l . ; $(GO) run $(GOFUMPT) -l .); \
	if [ -n "$$out" ]; then echo "not formatted (run: make format):"; sort -u <<<"$$out"; exit 1; fi

.PHONY: format
format: ## Format every file
	$(GO) run $(GOFUMPT) -w .

.PHONY: vet
vet: ## Run go vet, the tagged tests included
	$(GO) vet ./...
	$(GO) vet -tags interop,browser ./gateway/interop/... ./bench/...
	$(GO) vet -tags fleet ./gateway/...

.PHONY: lint
lint: ## Run golangci-lint
	$(GO) run $(GOLANGCI) run ./...

.PHONY: manifests
manifests: .cache/manifests/done ## Hold the Dockerfile and the Kubernetes manifests to their linters (needs Python with venv)
	.cache/manifests/bin/hadolint configs/docker/Dockerfile
	$(GO) run $(KUSTOMIZE) build configs/kubernetes >.cache/manifests/built.yaml
	@for version in $(KUBERNETES); do \
	  .cache/manifests/bin/kubernetes-validate --strict --quiet -k $$version .cache/manifests/built.yaml || exit 1; done

.cache/manifests/done: .ci/manifests.txt
	rm -rf .cache/manifests && python3 -m venv .cache/manifests
	.cache/manifests/bin/pip install -q --disable-pip-version-check --require-hashes --only-binary :all: -r .ci/manifests.txt
	@touch $@

.PHONY: vuln
vuln: ## Run govulncheck; without a network it warns and passes
	@.ci/vuln $(GO) run $(GOVULNCHECK) ./...

.PHONY: deps
deps: ## Hold every package to the import table
	$(GO) test -run '^(TestImports|TestViolations)$$' ./gateway

##@ Measure

.PHONY: floor
floor: ## Build bin/floor, the C server that the benchmarks measure against (needs cc)
	@mkdir -p bin
	$(or $(CC),cc) -std=c11 -O2 -Wall -Wextra -o bin/floor bench/floor/floor.c

.PHONY: bench
bench: ## Measure a node beside the floor; takes long
	bench/run.sh

.PHONY: million
million: ## Prove 1,000,000 connections (N=...) in a guest with limits of its own (GUEST=no: here)
	@N='$(N)' GUEST='$(GUEST)' SAVE='$(SAVE)' bench/million/run.sh

.PHONY: bench-smoke
bench-smoke: ## The same in a minute, to see that it runs
	bench/run.sh smoke
