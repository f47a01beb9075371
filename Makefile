# Todoku. `make run` and `make test` are all that a fresh machine with Go needs.

GO ?= go
# The race detector needs a C compiler.
RACE ?= $(shell command -v gcc >/dev/null 2>&1 && echo -race)
# What golangci-lint is run with; see .golangci.yml.
LINT = github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

# What asks about vulnerable dependencies, and the module that holds what is known of them.
VULN = golang.org/x/vuln/cmd/govulncheck@v1.9.0 golang.org/x/vulndb

.PHONY: run test drill-aws bench bench-lanes lint vuln setup fuzz clean

run: ## start everything with a demo school
	$(GO) run ./infra/local -demo

setup: ## install what the tests need and this machine lacks, as far as it can be
	@.ci/setup

# The drills of built programs and of browsers gain nothing from the race detector,
# and the CDK takes a minute to compile without it.
SLOW = /infra/(cdk|drill)

test: setup ## run every test; with STRICT=1 a skipped test is a failure
	$(GO) vet ./...
	$(GO) test $(RACE) -timeout 30m $$($(GO) list ./... | grep -vE '$(SLOW)')
	$(GO) test $(RACE) -timeout 30m -run 'TestOneMachine|TestForm|TestSheet' ./infra/drill
	$(GO) test -timeout 60m $$($(GO) list ./... | grep -E '$(SLOW)')

drill-aws: setup ## run the acceptance drill on the built functions of the AWS mode alone
	$(GO) test -count 1 -timeout 30m -v -run '^TestAWS$$' ./infra/drill

bench: setup ## print the benchmark tables: speed on this machine, what 1,000 recipients cost on AWS, silent lanes found
	$(GO) run ./infra/todoku bench
	$(GO) run ./infra/bench/silence
	$(GO) test -count 1 -v -run '^TestAWS$$/^cost$$' ./infra/drill

bench-lanes: ## compare ways to send to simulated operators, in virtual time
	@mkdir -p build
	$(GO) run ./infra/bench/lanes -svg build/lanes.svg

lint: ## check style
	$(GO) run $(LINT) run ./...

vuln: ## ask govulncheck whether what is called is known to be vulnerable
	@.ci/vuln $(VULN)

fuzz: ## fuzz every parser for a minute
	@for p in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$p 2>/dev/null | grep '^Fuzz'); do \
	    echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime 60s -fuzzminimizetime 2s $$p || exit 1; \
	  done; \
	done

clean: ## remove what was built
	rm -rf bin build cdk.out
