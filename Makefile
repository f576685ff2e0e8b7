# What one does here. Everything needs Go and make; the targets that need more
# say so and install it where they may.
.PHONY: run build test unit stories forks chaos at-rest kills power-cuts fuzz bench lint contracts contracts-check contracts-coverage contracts-long needs clean
SHELL := /bin/bash

FUZZTIME ?= 10m
SIZE ?= small

## run: build and start a whole world on this machine
run: build
	./bin/sayso

## build: build the binary
build:
	@[ -x bin/sayso ] || echo "The first build compiles an Ethereum node as well and takes some minutes."
	@go build -o bin/sayso ./cmd/sayso

## test: all tests, contracts and stories included
test: needs
	go test -timeout 25m ./...
	protocol/contracts/test.sh

## unit: the Go tests without the stories, which need nothing but Go
unit:
	go test $$(go list ./... | grep -v /stories)

## stories: the promises, on the real binary
stories: needs
	go test -count=1 -v ./stories

## forks: a thousand random forks of the chain, against a registry from scratch
forks:
	go test ./protocol/follow -run Fork -forks 1000 -timeout 30m -v

## needs: what the tests need beyond Go
needs:
	@.ci/needs

## lint: formatting, vet, staticcheck
lint:
	@unformatted="$$(gofmt -l $$(git ls-files '*.go'))"; if [ -n "$$unformatted" ]; then echo "gofmt these files:"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	go -C tools build -o ../bin/staticcheck honnef.co/go/tools/cmd/staticcheck
	./bin/staticcheck ./...

## contracts: compile the contracts and write their artefacts to protocol/abi
contracts:
	protocol/contracts/build.sh

## contracts-long: the contracts' fuzz tests, a million runs each
contracts-long:
	protocol/contracts/test.sh --long

## contracts-coverage: fails when a line or branch of the contracts is in no test
contracts-coverage:
	protocol/contracts/test.sh --coverage

## contracts-check: compile the contracts and compare with the committed artefacts
contracts-check:
	protocol/contracts/build.sh --check

## chaos: fifty thousand power cuts of the vault, and a fault at every operation
chaos:
	go test ./node/vault/chaos -timeout 6h -v -args -cuts 50000 -every 1

## at-rest: ten thousand damaged files of a closed store
at-rest:
	go test ./node/vault/chaos -run AtRest -timeout 3h -v -args -atrest 10000

## kills: kill -9 of the real binary under load, a thousand times
kills:
	go test ./stories -run TestStories/kill-dash-nine -timeout 6h -v -args -kills 1000

## power-cuts: five hundred power cuts of a file system of the node's own; needs root
power-cuts:
	go test ./stories -run TestStories/the-power-goes -timeout 6h -v -args -cuts 500

## fuzz: every fuzz target for FUZZTIME each
fuzz:
	.ci/fuzz $(FUZZTIME)

## bench: figures with their ratios, and the vault beside other engines; SIZE=full for the large data set
bench: bin/victoria-metrics
	bench/peers/needs
	go run ./bench
	go -C bench/peers run -mod=mod . -size $(SIZE) # its go.mod follows the one of the node

bin/victoria-metrics: bench/peers/go.mod
	@echo "The first comparison compiles VictoriaMetrics and DuckDB's bindings and takes some minutes."
	go -C bench/peers build -mod=mod -o ../../bin/victoria-metrics github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-metrics

## million: a million cars for half an hour on this machine
million:
	go run ./bench/million -memory-mb 2048

clean:
	rm -rf bin
