# Everything that is done with this repository. `make` alone lists it.

ROOT    := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
VENV    := $(ROOT)/.venv
SAM     := $(VENV)/sam/bin/sam
PYTHON  ?= python3
CARGO   ?= cargo

FUNCTIONS  := provision register promote teardown
BOOTSTRAPS := $(FUNCTIONS:%=$(ROOT)/target/lambda/%/bootstrap)
# Amazon Linux 2023, which the functions run on, has glibc 2.34.
GLIBC  := 2.34
TARGET := x86_64-unknown-linux-gnu.$(GLIBC)

# cargo-lambda and zig are found in .venv. Debian keeps haproxy in /usr/sbin, which is not on everybody's path.
export PATH := $(VENV)/bin:$(PATH):/usr/sbin
export POINTSMAN_VENV := $(VENV)

.PHONY: help build test demo local zero-loss bench model fuzz faults permissions deploy clean haproxy

help: ## what there is (this)
	@echo "make <target>, where <target> is one of"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(ROOT)/Makefile | expand -t 12

build: $(VENV)/.stamp ## the four functions, as target/lambda/<function>/bootstrap (some minutes the first time)
	@echo "== build: the four functions for glibc $(GLIBC). The first time the AWS SDK is compiled too, which takes some minutes."
	@cd $(ROOT) && $(CARGO) lambda build --release --locked --target $(TARGET) --lambda-dir $(ROOT)/target/lambda $(FUNCTIONS:%=-p %)
	@$(ROOT)/.ci/bootstraps $(GLIBC) $(BOOTSTRAPS)

test: $(VENV)/.stamp haproxy ## all checks and tests; what needs no SDK comes first
	@$(ROOT)/.ci/test

demo: haproxy build ## four releases on this machine, told as they happen: shipped, promoted, rolled back, failed
	@cd $(ROOT) && $(CARGO) run --locked -p local -- demo

local: haproxy build ## the whole system on this machine, to play with, until Ctrl-C
	@cd $(ROOT) && $(CARGO) run --locked -p local -- up

zero-loss: haproxy build ## 500 promotes and 500 rollbacks under load, beside what people do today: who loses requests
	@cd $(ROOT) && mkdir -p target && $(CARGO) run --quiet --locked --profile model -p zero_loss -- run $(ZERO_LOSS)

bench: build ## start-up, call times, memory, size and API calls, beside a boto3 peer
	@cd $(ROOT) && $(VENV)/bin/python bench/run.py

model: ## every call cut off anywhere, in every order: the plans against a model of AWS, some 13 million states
	@cd $(ROOT) && $(CARGO) run --quiet --locked --profile model -p model

fuzz: build ## any events, configs, tags and texts by the million, then the real binaries: no panic, always an answer
	@cd $(ROOT) && $(CARGO) run --quiet --locked --profile model -p fuzz
	@cd $(ROOT) && $(CARGO) run --quiet --locked -p binaries

faults: build ## the real binaries, each call of AWS cut off in every way, and two and three at once: the same end
	@cd $(ROOT) && $(CARGO) run --quiet --locked --profile model -p faults

# The tests between them use every right of every function.
RIGHTS := rights:: stories:: strangers:: steps::an_alarm people::conditions events::an_alarm_of_the checks::what_it_says capacity::an_ami
permissions: haproxy build ## each function's rights by the calls it makes: all allowed, all used, and nothing hostile
	@rm -rf $(ROOT)/target/permissions
	@cd $(ROOT) && POINTSMAN_JOURNAL=$(ROOT)/target/permissions $(CARGO) test --quiet --locked -p local --test end_to_end -- $(RIGHTS)
	@cd $(ROOT) && $(VENV)/bin/python -m unittest discover -t . -s permissions/tests
	@cd $(ROOT) && $(VENV)/bin/python -m permissions $(WRITE) target/permissions

deploy: build $(VENV)/sam/.stamp ## into the AWS account that your environment names (DEPLOY="--guided" for sam's questions)
	@cd $(ROOT) && $(SAM) validate --lint && $(SAM) build && $(SAM) deploy $(DEPLOY)

clean: ## remove what the other targets made
	rm -rf $(ROOT)/target $(ROOT)/.venv $(ROOT)/.aws-sam

# What `sam build` calls, one for each function of template.yaml.
.PHONY: build-ProvisionFunction build-RegisterFunction build-PromoteFunction build-TeardownFunction
build-ProvisionFunction: function := provision
build-RegisterFunction:  function := register
build-PromoteFunction:   function := promote
build-TeardownFunction:  function := teardown
build-ProvisionFunction build-RegisterFunction build-PromoteFunction build-TeardownFunction: build
	@cp $(ROOT)/target/lambda/$(function)/bootstrap $(ARTIFACTS_DIR)/

$(VENV)/.stamp: $(ROOT)/requirements/tools.txt
	@$(ROOT)/.ci/venv $(PYTHON) $(VENV) $<
	@touch $@

$(VENV)/sam/.stamp: $(ROOT)/requirements/sam.txt $(VENV)/.stamp
	@$(ROOT)/.ci/venv $(PYTHON) $(VENV)/sam $<
	@touch $@

haproxy:
	@$(ROOT)/.ci/haproxy
