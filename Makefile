# Everything that is done with this repository. `make` alone lists it.

ROOT    := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
VENV    := $(ROOT)/.venv
SAM     := $(VENV)/sam/bin/sam
PYTHON  ?= python3
CARGO   ?= cargo

FUNCTIONS := provision register promote teardown
# What the functions are built for, as Lambda and the template's parameter Architecture spell it: x86_64 or arm64.
ARCH      ?= x86_64
PLATFORM_x86_64 := x86_64-unknown-linux-gnu
PLATFORM_arm64  := aarch64-unknown-linux-gnu
PLATFORM  := $(PLATFORM_$(ARCH))
$(if $(PLATFORM),,$(error ARCH is x86_64 or arm64, and not $(ARCH)))
# Amazon Linux 2023, which the functions run on, has glibc 2.34.
GLIBC     := 2.34
LAMBDA    := $(ROOT)/target/lambda$(if $(filter-out x86_64,$(ARCH)),-$(ARCH))

# cargo-lambda and zig are found in .venv. Debian keeps haproxy in /usr/sbin, which is not on everybody's path.
export PATH := $(VENV)/bin:$(PATH):/usr/sbin
export POINTSMAN_VENV := $(VENV)
export ARCH
# The SAM command line is asked to keep to itself what it does here.
export SAM_CLI_TELEMETRY ?= 0

DENY_VERSION := 0.20.2
DENY := $(VENV)/cargo-deny/bin/cargo-deny-$(DENY_VERSION)
OHA_VERSION := 1.16.0
OHA := $(VENV)/oha/bin/oha-$(OHA_VERSION)

.PHONY: help build bootstraps test demo local recording zero-loss rates bench model fuzz faults templates permissions licences audit packages reproducible arm64 deploy clean haproxy

help: ## what there is (this)
	@echo "make <target>, where <target> is one of"
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  \1\t\2/p' $(ROOT)/Makefile | expand -t 16

build: bootstraps ## the four functions, as target/lambda/<function>.zip (some minutes the first time; ARCH=arm64 for Graviton)
	@$(ROOT)/.ci/zips $(LAMBDA) $(FUNCTIONS)
	@cd $(ROOT) && $(ROOT)/.ci/bom $(LAMBDA) $(PLATFORM) $(FUNCTIONS)

# With the command-line tool, as $(LAMBDA)/pointsman/bootstrap: in one call the SDK is compiled once.
bootstraps: $(VENV)/.stamp
	@echo "== build: the four functions for $(ARCH), glibc $(GLIBC). The first time the AWS SDK is compiled too, which takes some minutes."
	@cd $(ROOT) && $(CARGO) lambda build --release --locked --target $(PLATFORM).$(GLIBC) --lambda-dir $(LAMBDA) $(FUNCTIONS:%=-p %) -p cli
	@$(ROOT)/.ci/bootstraps $(GLIBC) $(ARCH) $(FUNCTIONS:%=$(LAMBDA)/%/bootstrap)

test: $(VENV)/.stamp haproxy ## all checks and tests; what needs no SDK comes first
	@$(ROOT)/.ci/test

demo: haproxy bootstraps ## five releases on this machine, told as they happen: kept, rolled back, failed, stopped by an alarm
	@cd $(ROOT) && $(CARGO) run --locked -p local -- demo

local: haproxy bootstraps ## the whole system on this machine, to play with, until Ctrl-C
	@cd $(ROOT) && $(CARGO) run --locked -p local -- up

recording: haproxy bootstraps $(VENV)/recording/.stamp ## docs/terminal.svg: the tool at a terminal, as the README shows it
	@cd $(ROOT) && $(CARGO) build --quiet --locked -p local
	@cd $(ROOT) && PYTHONPATH=bench $(VENV)/bin/python docs/recording.py target/debug/local $(LAMBDA)/pointsman/bootstrap target/terminal.cast
	@cd $(ROOT) && $(VENV)/recording/bin/termtosvg render target/terminal.cast docs/terminal.svg --template window_frame --loop-delay 5000

zero-loss: haproxy bootstraps ## 500 promotes and 500 rollbacks under load, beside what people do today: who loses requests
	@cd $(ROOT) && mkdir -p target && $(CARGO) run --quiet --locked --profile model -p zero_loss -- run $(ZERO_LOSS)

rates: $(OHA) ## the load of zero-loss beside oha's: how many requests each begins
	@cd $(ROOT) && $(CARGO) build --quiet --locked --profile model -p zero_loss
	@cd $(ROOT) && local/zero-loss/rates target/model/zero_loss $(OHA)

bench: haproxy bootstraps ## start-up, call times, memory, size and API calls, beside a boto3 peer; the switches; the tool's first line
	@cd $(ROOT) && $(VENV)/bin/python bench/run.py
	@cd $(ROOT) && $(CARGO) build --quiet --locked -p local
	@cd $(ROOT) && $(VENV)/bin/python bench/first_line.py target/debug/local $(LAMBDA)/pointsman/bootstrap

model: ## every call cut off anywhere, in every order: the plans against a model of AWS, some 34 million states
	@cd $(ROOT) && $(CARGO) run --quiet --locked --profile model -p model

fuzz: bootstraps ## any events, configs, tags and texts by the million, then the real binaries: no panic, always an answer
	@cd $(ROOT) && $(CARGO) run --quiet --locked --profile model -p fuzz
	@cd $(ROOT) && $(CARGO) run --quiet --locked -p binaries

faults: bootstraps ## the real binaries, each call of AWS cut off in every way, and two and three at once: the same end
	@cd $(ROOT) && $(CARGO) run --quiet --locked --profile model -p faults

templates: $(VENV)/.stamp $(VENV)/checkov/.stamp ## cfn-lint and checkov over all templates, and the examples' CI files and config by their schemas
	@cd $(ROOT) && cfn-lint template.yaml examples/*/*.yaml
	@cd $(ROOT) && $(VENV)/checkov/bin/checkov --config-file .ci/checkov.yaml --file template.yaml examples/*/*.yaml
	@cd $(ROOT) && $(VENV)/checkov/bin/check-jsonschema --builtin-schema vendor.github-workflows examples/github-actions/release.yml
	@cd $(ROOT) && $(VENV)/checkov/bin/check-jsonschema --builtin-schema vendor.gitlab-ci --data-transform gitlab-ci \
	    examples/gitlab-ci/.gitlab-ci.yml
	@cd $(ROOT) && $(VENV)/checkov/bin/check-jsonschema --schemafile docs/service.schema.json examples/mobile-web/service.json

licences: $(DENY) ## which licences, crates and sources are in use, against deny.toml
	@cd $(ROOT) && $(DENY) --locked check licenses bans sources

audit: $(DENY) ## known vulnerabilities of the crates, from the internet (or ADVISORY_DB=<clone of RustSec/advisory-db>)
	@cd $(ROOT) && mkdir -p target && $(if $(ADVISORY_DB),GIT_CONFIG_COUNT=1 \
	    GIT_CONFIG_KEY_0=url.file://$(abspath $(ADVISORY_DB)).insteadOf GIT_CONFIG_VALUE_0=https://github.com/RustSec/advisory-db) \
	    $(DENY) --locked check advisories

packages: build $(VENV)/sam/.stamp $(VENV)/checkov/.stamp ## that `sam build` comes to the same zips, byte by byte, and what is in them
	@cd $(ROOT) && $(VENV)/sam/bin/sam validate --lint && $(VENV)/sam/bin/sam build --parameter-overrides Architecture=$(ARCH)
	@cd $(ROOT) && $(VENV)/sam/bin/python .ci/packages $(LAMBDA) $(FUNCTIONS)
	@$(VENV)/checkov/bin/python $(ROOT)/.ci/valid-bom $(LAMBDA)/pointsman.cdx.json

reproducible: build $(VENV)/sam/.stamp ## builds the last commit anew in another folder, by sam and by make: the same bytes (as long as a first build)
	@rm -rf $(ROOT)/target/reproducible && git clone --quiet $(ROOT) $(ROOT)/target/reproducible
	@cd $(ROOT)/target/reproducible && MAKEFLAGS="VENV=$(VENV)" $(SAM) build --parameter-overrides Architecture=$(ARCH)
	@$(MAKE) --no-print-directory -C $(ROOT)/target/reproducible packages VENV=$(VENV)
	@cmp $(LAMBDA)/SHA256SUMS $(subst $(ROOT)/target,$(ROOT)/target/reproducible/target,$(LAMBDA))/SHA256SUMS \
	    || { echo "The zips are not the same. Is all that is in the folder committed?" >&2; exit 1; }
	@echo "== the same bytes twice" && rm -rf $(ROOT)/target/reproducible

arm64: haproxy ## builds the functions for arm64, by make and by sam, and ships releases with them, under qemu (minutes: the SDK is compiled once more)
	@$(MAKE) --no-print-directory packages ARCH=arm64
	@cd $(ROOT) && .ci/arm64 $(ROOT)/target/lambda-arm64 $(FUNCTIONS)

# The tests between them use every right of every function.
RIGHTS := rights:: stories:: strangers:: steps::an_alarm people::conditions events::an_alarm_of_the checks::what_it_says \
    capacity::an_ami capacity::what_was_launched
permissions: haproxy bootstraps ## each function's rights by the calls it makes: all allowed, all used, and nothing hostile
	@rm -rf $(ROOT)/target/permissions
	@cd $(ROOT) && POINTSMAN_JOURNAL=$(ROOT)/target/permissions $(CARGO) test --quiet --locked -p local --test end_to_end -- $(RIGHTS)
	@cd $(ROOT) && POINTSMAN_JOURNAL=$(ROOT)/target/permissions $(CARGO) test --quiet --locked -p faults --test points
	@cd $(ROOT) && $(VENV)/bin/python -m unittest discover -t . -s permissions/tests
	@cd $(ROOT) && $(VENV)/bin/python -m permissions $(WRITE) target/permissions

deploy: build $(VENV)/sam/.stamp ## into the AWS account that your environment names (DEPLOY="--guided" for sam's questions)
	@cd $(ROOT) && $(SAM) validate --lint && $(SAM) build --parameter-overrides Architecture=$(ARCH)
	@cd $(ROOT) && $(SAM) deploy --parameter-overrides Architecture=$(ARCH) $(PARAMETERS) $(DEPLOY)

clean: ## remove what the other targets made
	rm -rf $(ROOT)/target $(ROOT)/.venv $(ROOT)/.aws-sam

# What `sam build` calls, one for each function of template.yaml.
.PHONY: build-ProvisionFunction build-RegisterFunction build-PromoteFunction build-TeardownFunction
build-ProvisionFunction: function := provision
build-RegisterFunction:  function := register
build-PromoteFunction:   function := promote
build-TeardownFunction:  function := teardown
build-ProvisionFunction build-RegisterFunction build-PromoteFunction build-TeardownFunction: bootstraps
	@install -m 755 $(LAMBDA)/$(function)/bootstrap $(ARTIFACTS_DIR)/

$(VENV)/.stamp: $(ROOT)/requirements/tools.txt
	@$(ROOT)/.ci/venv $(PYTHON) $(VENV) $<
	@touch $@

$(VENV)/sam/.stamp: $(ROOT)/requirements/sam.txt $(VENV)/.stamp
	@$(ROOT)/.ci/venv $(PYTHON) $(VENV)/sam $<
	@touch $@

$(VENV)/checkov/.stamp: $(ROOT)/requirements/checkov.txt $(VENV)/.stamp
	@$(ROOT)/.ci/venv $(PYTHON) $(VENV)/checkov $<
	@touch $@

$(VENV)/recording/.stamp: $(ROOT)/requirements/recording.txt $(VENV)/.stamp
	@$(ROOT)/.ci/venv $(PYTHON) $(VENV)/recording $<
	@touch $@

# Without optimisation, which takes a third of the time: a check takes two seconds either way, and oha keeps up its rate.
$(DENY): tool := cargo-deny
$(DENY): version := $(DENY_VERSION)
$(OHA):  tool := oha
$(OHA):  version := $(OHA_VERSION)
$(DENY) $(OHA):
	@echo "== $(tool) $(version), into .venv/$(tool) (some minutes)"
	@CARGO_PROFILE_DEV_DEBUG=0 CARGO_TARGET_DIR=$(VENV)/$(tool)/target $(CARGO) install --quiet --locked --debug --force \
	    --root $(VENV)/$(tool) --version $(version) $(tool)
	@rm -rf $(VENV)/$(tool)/target
	@ln -f $(VENV)/$(tool)/bin/$(tool) $@

haproxy:
	@$(ROOT)/.ci/haproxy
