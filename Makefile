# Kazashi. On a fresh Debian 12 with Go, git and make, `make demo` and `make test` do all the set-up themselves.
# `make help` lists the targets.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS   += --no-print-directory --no-builtin-rules

GO       ?= go
FUZZTIME ?= 60s
# Flags for `go test` of both lanes, for example TESTFLAGS=-v.
TESTFLAGS ?=

# -trimpath is off, for every build and everywhere, so that make, CI and a plain `go test ./some/package` share one build
# cache (with it on, the SQLite translation alone is compiled a second time, for minutes). It also makes the linker flags
# part of what a program says about itself, which `kazashi-fw inspect` reads. Whatever else a shell set in GOFLAGS stays set.
export GOFLAGS := $(strip $(filter-out -trimpath% -buildvcs%,$(GOFLAGS)) -trimpath=false -buildvcs=false)

# The version is stamped by the linker, right also in a clone without tags or owned by another user (where Go's own stamp
# makes the build fail; it is off). It is worked out only when something is built.
GIT       = git -c safe.directory=$(CURDIR)
REVISION  = $(shell $(GIT) rev-parse HEAD 2>/dev/null)
DIRTY     = $(if $(REVISION),$(shell test -z "$$($(GIT) status --porcelain 2>/dev/null)" || echo +dirty))
TAG       = $(shell $(GIT) describe --tags --exact-match 2>/dev/null)
PSEUDO    = $(shell TZ=UTC $(GIT) log -1 --abbrev=12 --date=format-local:%Y%m%d%H%M%S --format=v0.0.0-%cd-%h 2>/dev/null)
VERSION   = $(or $(TAG),$(PSEUDO),v0.0.0-unknown)$(DIRTY)
STAMP     = kazashi.example/firmware/manifest
COMMITTED = $(shell $(GIT) log -1 --format=%ct 2>/dev/null)
LDFLAGS   = -X $(STAMP).version=$(VERSION) -X $(STAMP).revision=$(REVISION)$(DIRTY) -X $(STAMP).built=$(COMMITTED)

PROGRAMS := ./appliance/cmd/kazashi ./central/cmd/kazashi-central ./central/lab/cmd/kazashi-lab ./central/lab/cmd/kazashi-count \
            ./firmware/cmd/kazashi-fw ./reader/cmd/...
# What must build without cgo (design: reader/pcsc is the only cgo package).
PURE     := ./central/... ./sync/... ./firmware/...
FOLDERS  := $(wildcard appliance central firmware localapi reader sync)

TOOLS        := $(CURDIR)/.cache/bin
GOLANGCI     := $(TOOLS)/golangci-lint
GOLANGCI_VER := v2.15.0
export PATH  := $(TOOLS):$(PATH)

# Debian packages: what the programs and the demo run on, then what only the tests need.
RUN_PACKAGES  := ca-certificates gcc libc6-dev pkg-config libpcsclite-dev pcscd libccid vsmartcard-vpcd util-linux iproute2
TEST_PACKAGES := swtpm opensc pcsc-tools openssl strace sqlite3 chromium fonts-noto-cjk

# Packages with tests of the integration lane, and every fuzz target as "package function".
INTEGRATION = $(shell find $(FOLDERS) -name '*_test.go' -exec grep -lE '^//go:build .*\bintegration\b' {} + \
                | xargs -r -n1 dirname | sort -u | sed 's,^,./,')
FUZZERS     = { find $(FOLDERS) -name '*_test.go' -exec grep -HoE '^func Fuzz[A-Za-z0-9_]+' {} + || true; } \
                | sed -E 's,^(.*)/[^/]+:func (Fuzz.*)$$,./\1 \2,' | sort -u

.NOTPARALLEL:
.PHONY: help deps packages packages-run tools build demo smoke soak test test-plain test-integration lint fmt bench bench-reader bench-revocation bench-box bench-journal crash fuzz fuzz-list clean

help: ## print this list
	@grep -hE '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z-]+):.*## (.*)$$/\1\t\2/' | expand -t18

deps: packages tools ## install what building and testing need (Debian packages, pinned tools)

# install_packages LIST: nothing if all are there; else apt as root or by sudo -n; else the line to run, and failure.
define install_packages
	@missing=$$(comm -13 <(dpkg-query -W -f '$${db:Status-Abbrev} $${Package}\n' | sed -n 's/^ii  *//p' | sort -u) \
	    <(printf '%s\n' $(1) | sort -u) | tr '\n' ' '); \
	[ -n "$$missing" ] || exit 0; \
	if [ "$$(id -u)" = 0 ]; then as=; elif sudo -n true 2>/dev/null; then as="sudo -n"; else \
	    echo "make: packages are missing and this user may not install them. Run this line, then make again:" >&2; \
	    echo "  sudo apt-get update && sudo apt-get install -y --no-install-recommends $$missing" >&2; exit 1; fi; \
	echo "installing: $$missing"; \
	$$as apt-get update -q </dev/null && $$as env DEBIAN_FRONTEND=noninteractive \
	    apt-get install -y -q --no-install-recommends $$missing </dev/null
endef

packages:
	$(call install_packages,$(RUN_PACKAGES) $(TEST_PACKAGES))

packages-run:
	$(call install_packages,$(RUN_PACKAGES))

tools: $(TOOLS)/golangci-lint-$(GOLANGCI_VER)

$(TOOLS)/golangci-lint-$(GOLANGCI_VER):
	@mkdir -p $(TOOLS)
	GOBIN=$(TOOLS) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VER)
	@ln -sf golangci-lint $@

build: packages-run ## build every program into bin/
	@mkdir -p bin
	$(GO) build -ldflags '$(LDFLAGS)' -o bin/ $(PROGRAMS)

demo: build ## run the whole thing on this machine: counter page and card tray, until Ctrl-C
	bin/kazashi-lab demo

smoke: build ## the demo as a script: taps, outage, power cut, recovery; proves that none is lost or doubled
	bin/kazashi-lab smoke

# SOAKFLAGS=--seed=7 repeats the moments of a soak's kills; make test has three hundred taps of it.
soak: build ## ten thousand taps on sixteen readers while box and central are killed; a quarter of an hour, proves that none is lost or doubled
	bin/kazashi-lab soak --taps 10000 --kills 200 --slots 16 $(SOAKFLAGS)

# The lane with the real components waits for cards and processes much of its time, so the other runs beside it, behind it in line for
# the processors; what that one printed comes after. Neither lane vets: that is make lint's.
test: deps ## both lanes of tests, side by side; a missing component is a failure, never a skip
	@log=$$(mktemp); trap 'rm -f "$$log"' EXIT; failed=0; \
	    nice -n 10 $(MAKE) test-plain PLAIN_P=2 >"$$log" 2>&1 & plain=$$!; \
	    $(MAKE) test-integration || failed=1; wait $$plain || failed=1; cat "$$log"; exit $$failed

# Packages of the other lane run there, all their tests at once.
test-plain: deps ## the lane without root, services or network
	$(GO) test -vet=off $(if $(PLAIN_P),-p $(PLAIN_P)) -timeout 5m $(TESTFLAGS) $$($(GO) list ./... | grep -vxF "$$($(GO) list $(INTEGRATION))")

# Two packages at a time, on two cores: they wait more than they compute. They share nothing but the processors: each reader rig is a
# pcscd of its own in namespaces of its own (central/lab/pcscd), ports and directories are whatever is free. Whatever Go program a test
# builds is linked without the debugger's tables, which takes half as long.
test-integration: deps ## the lane with the real components (pcscd, vpcd, swtpm, OpenSC, openssl, chromium), and the packages that have them
	@test -n "$(INTEGRATION)" || { echo "make: no integration tests found" >&2; exit 1; }
	GOFLAGS='$(GOFLAGS) -ldflags=-w' $(GO) test -vet=off -tags integration -count 1 -p 2 -timeout 10m $(TESTFLAGS) $(INTEGRATION)

# The linters' run has all of go vet in it (govet, with the tag of the integration lane). What is linked without cgo is thrown away.
lint: deps ## linters and vet, formatting, modernisation, builds without cgo, module file
	$(GOLANGCI) config verify
	$(GOLANGCI) run
	$(GOLANGCI) fmt --diff
	$(GO) fix -tags integration -diff ./...
	CGO_ENABLED=0 $(GO) build -ldflags=-w $(PURE)
	$(GO) mod tidy -diff

fmt: tools ## format all Go files
	$(GOLANGCI) fmt

bench: build ## print the measured figures: lines "figure NAME VALUE UNIT"
	@bin/kazashi-lab bench

bench-reader: build ## print the card side's figures, with OpenSC on the same cards in the same run
	$(call install_packages,opensc)
	@bin/kazashi-lab bench reader

# REVOCATIONFLAGS=--quick takes a minute instead of some ten; --large=false leaves out the list of 30 million entries.
bench-revocation: build ## print the revocation engine's figures, with openssl, crypto/x509, a Go map and SQLite in the same run
	$(call install_packages,openssl)
	@bin/kazashi-lab bench revocation $(REVOCATIONFLAGS)

bench-box: build ## print what a large site's roster and revocation list cost its box, with a bare AES-256-GCM opening and an empty box in the same run
	@bin/kazashi-lab bench box $(BOXFLAGS)

# JOURNALFLAGS=--quick takes a minute instead of some ten.
bench-journal: build ## print the journal's figures, with a bare SQLite insert and the disk's flush in the same run
	@bin/kazashi-lab bench journal $(JOURNALFLAGS)

# Every state of every scenario, which takes minutes; the lane of tests tries a sample at each point.
crash: deps ## print what kills and power cuts at every point, each fsync left out in turn, leave of journal, sticks, swap, lists, trust, rules, rosters, keys, site book, closing
	@CRASH_TEST_THOROUGH=1 $(GO) test -tags integration -count 1 -timeout 30m -v -parallel 1 ./central/lab/crash | \
	    sed -nE 's/^ +[a-z_]+_test\.go:[0-9]+: //p; /^ *--- FAIL|^(FAIL|ok|panic|total)/p'

fuzz: ## run each fuzz target for FUZZTIME (60s); a finding does not stop the others
	@failed=0; while read -r package target; do \
	    echo "fuzz: $$package $$target $(FUZZTIME)"; \
	    $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "$$package" </dev/null || failed=1; \
	    done < <($(FUZZERS)); exit $$failed

fuzz-list:
	@$(FUZZERS)

clean: ## remove what was built and the demo's data
	rm -rf bin .demo .cache
