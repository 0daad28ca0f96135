# make demo: the gateway at work, on loopback. make test: everything that must hold. Both install what they need.
SHELL := /bin/bash
.DEFAULT_GOAL := build

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
LDFLAGS := -s -w -X main.release=$(VERSION)
FUZZTIME ?= 20s

export CGO_ENABLED ?= 0

# Where make install puts things. DESTDIR is for packages: a tree that is not the system's.
PREFIX     ?= /usr/local
SYSCONFDIR ?= /etc
BINARY     ?= whygate

.PHONY: build install uninstall demo test lint race fuzz fuzz-short soak park bench bench-explain chaos pgo docs lab-matrix test-diagnose test-explain test-lint test-import setup setup-test clean test-kubernetes test-tls interop conformance

build: setup ## one static binary
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o whygate ./cmd/whygate
	@.ci/go-version $(GO) whygate

# A configuration that is there already is left as it is. The units are given the program's path.
install: build ## program, systemd units, logrotate: PREFIX, SYSCONFDIR, DESTDIR
	install -D -m 755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/whygate
	for unit in service socket; do install -d $(DESTDIR)$(PREFIX)/lib/systemd/system && \
		sed 's|/usr/local/bin/|$(PREFIX)/bin/|; s|/etc/whygate/|$(SYSCONFDIR)/whygate/|g' contrib/systemd/whygate.$$unit >$(DESTDIR)$(PREFIX)/lib/systemd/system/whygate.$$unit && \
		chmod 644 $(DESTDIR)$(PREFIX)/lib/systemd/system/whygate.$$unit || exit 1; done
	install -D -m 644 contrib/systemd/whygate.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/whygate.conf
	install -D -m 644 contrib/logrotate/whygate $(DESTDIR)$(SYSCONFDIR)/logrotate.d/whygate
	test -e $(DESTDIR)$(SYSCONFDIR)/whygate/whygate.yaml || install -D -m 644 contrib/whygate.yaml $(DESTDIR)$(SYSCONFDIR)/whygate/whygate.yaml

uninstall: ## what install put there, except the configuration
	rm -f $(DESTDIR)$(PREFIX)/bin/whygate $(DESTDIR)$(PREFIX)/lib/systemd/system/whygate.service $(DESTDIR)$(PREFIX)/lib/systemd/system/whygate.socket \
		$(DESTDIR)$(PREFIX)/lib/sysusers.d/whygate.conf $(DESTDIR)$(SYSCONFDIR)/logrotate.d/whygate

demo: build ## gateway, upstreams and a little traffic; stays up
	./whygate demo

setup: ## what a build needs
	@.ci/go-version $(GO)

# What the tests talk to, beside what the tests are. Without root they say what to install, and skip what needs it.
setup-test: setup
	@.ci/need nginx:nginx-light haproxy wrk curl h2load:nghttp2-client ip:iproute2 nft:nftables gcc
	@test -x "$$($(GO) env GOPATH)/bin/h2spec" || $(GO) install github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible || echo "h2spec is not installed, so its tests of HTTP/2 are skipped"
	@for c in pebble pebble-challtestsrv; do test -x "$$($(GO) env GOPATH)/bin/$$c" || $(GO) install github.com/letsencrypt/pebble/v2/cmd/$$c@v2.10.1 || echo "$$c is not installed, so the tests of ACME are skipped"; done

test: setup-test lint race fuzz-short ## everything that must hold

# gRPC's own interoperability client and server, with a gateway between them.
INTEROP = empty_unary large_unary client_streaming server_streaming ping_pong empty_stream timeout_on_sleeping_server cancel_after_begin \
	cancel_after_first_response status_code_and_message special_status_message custom_metadata unimplemented_method unimplemented_service

interop: ## gRPC's interoperability cases through a gateway
	@dir=$$(mktemp -d); trap 'kill $$server $$gateway 2>/dev/null; rm -rf '$$dir EXIT; \
	GOBIN=$$dir $(GO) install google.golang.org/grpc/interop/client@v1.82.1 google.golang.org/grpc/interop/server@v1.82.1 && $(GO) build -o $$dir/whygate ./cmd/whygate || exit 1; \
	printf 'version: 1\nadmin: "off"\nlisten: [{address: "127.0.0.1:18080", h2c: true}]\nroutes: [{pool: grpc}]\npools: {grpc: {endpoints: ["h2c://127.0.0.1:18081"]}}\n' >$$dir/whygate.yaml; \
	$$dir/server --port=18081 2>/dev/null & server=$$!; $$dir/whygate run -c $$dir/whygate.yaml --drain 1s >/dev/null 2>&1 & gateway=$$!; sleep 2; \
	for c in $(INTEROP); do timeout 30 $$dir/client --server_host=127.0.0.1 --server_port=18080 --test_case=$$c >$$dir/log 2>&1 && echo "ok   $$c" || { echo "FAIL $$c"; cat $$dir/log; exit 1; }; done

# connectrpc's conformance suite: its reference client, a gateway, its reference server. Behind HTTP/1.1 there is no gRPC, and no stream both ways.
SUITE = $$dir/connectconformance --mode server
BEHIND = -- $$dir/conformance -server $$dir/referenceserver -whygate $$dir/whygate
conformance: ## connectrpc's conformance suite through a gateway: Connect, gRPC, gRPC-Web over HTTP/1.1, 2 and 3
	@dir=$$(mktemp -d); trap 'rm -rf '$$dir EXIT; \
	GOBIN=$$dir $(GO) install connectrpc.com/conformance/cmd/connectconformance@v1.0.7 connectrpc.com/conformance/cmd/referenceserver@v1.0.7 && \
	$(GO) build -o $$dir/ ./cmd/whygate ./bench/conformance || exit 1; \
	$(SUITE) --conf bench/conformance/suite.yaml $(BEHIND) -upstream h2c 2>$$dir/log || { tail -n 50 $$dir/log; exit 1; }; \
	$(SUITE) --conf bench/conformance/suite-h1.yaml --skip '**/bidi-stream/**' $(BEHIND) -upstream h1 2>$$dir/log || { tail -n 50 $$dir/log; exit 1; }

lint:
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	@out=$$($(GO) tool gofumpt -l .); [ -z "$$out" ] || { echo "gofumpt would change:"; echo "$$out"; exit 1; }

# Tests that count allocations, without the race detector and one package at a time: a machine that does other work counts wrong.
ALLOC = $(shell grep -rlE '^func Test.*Alloc' --include='*_test.go' internal | xargs -n1 dirname | sort -u | sed 's|^|./|')

# The commands' scripts start programs all the time, which takes thrice as long with the race detector; their packages run with it.
RACED ?= $(filter-out %/cmd/whygate,$(shell $(GO) list ./...))
race: ## all tests, those of packages with the race detector, which needs cgo
	@CGO_ENABLED=1 $(GO) test -pgo=off -race -timeout 8m -v $(RACED) >test.log 2>&1; code=$$?; \
	awk '/^ *--- SKIP/ { print last; print } /^(ok|FAIL|panic:|DATA RACE|WARNING: DATA RACE|# )/ { print } { last = $$0 }' test.log; \
	if [ $$code != 0 ]; then grep -v -E '^ *(=== (RUN|PAUSE|CONT|NAME)|--- (PASS|SKIP))|^PASS' test.log | tail -n 400; echo "In short:"; GO="$(GO)" .ci/again test.log; code=$$?; fi; exit $$code
	$(GO) test -pgo=off -p 1 -run 'Alloc' $(ALLOC)
	$(GO) test -pgo=cmd/whygate/default.pgo -run 'Stack' ./internal/proxy
	$(GO) test -pgo=off ./cmd/whygate ./internal/overload ./internal/proxyconf

FUZZ = $(shell grep -rlE '^func Fuzz' --include='*_test.go' internal | xargs -n1 dirname | sort -u)
fuzz-short: ## every fuzz target for a little while, six at a time
	@for d in $(FUZZ); do grep -hoE '^func Fuzz[A-Za-z0-9_]+' $$d/*_test.go | sed "s|^func |$$d |"; done | \
	GO=$(GO) xargs -P 6 -I {} sh -c '.ci/fuzz {} $(FUZZTIME)'

fuzz: ## every fuzz target for ten minutes
	$(MAKE) fuzz-short FUZZTIME=10m

SOAK ?= 10m
soak: ## victims with secrets beside clients and endpoints that stop everywhere, with buffers poisoned
	WHYGATE_SOAK=$(SOAK) $(GO) test -tags poison -count=1 -timeout 24h -run '^TestNoOctetOfAnother$$' -v ./internal/proxy

test-tls: ## testssl.sh looks at a listener: minutes
	@.ci/need testssl:testssl.sh
	WHYGATE_TESTSSL=1 $(GO) test -count=1 -timeout 15m -run '^TestScannedByTestssl$$' -v ./internal/gateway

PARK ?= 50000
park: ## so many connections that come, are parked, ask and go, a tenth of them at a time, with the race detector
	CGO_ENABLED=1 WHYGATE_PARK=$(PARK) $(GO) test -pgo=off -race -count=1 -timeout 30m -run '^TestParkStorm$$' -v ./internal/listener

bench: setup ## side by side with nginx and HAProxy
	$(GO) run ./bench $(BENCHFLAGS)

chaos: setup ## faults at three origins behind Whygate, nginx and HAProxy: what is lost; CHAOSFLAGS='-rows overload -time 10s'
	$(GO) run ./bench/chaos $(CHAOSFLAGS)

bench-explain: setup ## explain beside grep, ripgrep, gawk, goaccess and lnav; BENCHFLAGS='-base OTHER' beside another build
	@.ci/need gawk goaccess rg:ripgrep lnav
	$(GO) run ./bench/explain $(BENCHFLAGS)

pgo: ## the compiler's profile of a small request, which the build uses
	$(GO) test -pgo=off -run '^$$' -bench Exchange -benchtime 10s -cpuprofile cmd/whygate/default.pgo -o /dev/null ./internal/gateway

docs: ## what is generated
	$(GO) test . -run TestGenerated -update

# The proxies that Debian packages. Each is scored with the configuration that whygate lab config prints for it.
MATRIX = nginx:nginx-light haproxy apache2 varnishd:varnish caddy gcc libc6-dev
lab-matrix: build ## docs/lab-matrix.md and its picture, from a real run
	@.ci/need $(MATRIX)
	./whygate lab score whygate nginx haproxy apache varnish caddy --markdown docs/lab-matrix.md --svg docs/lab-matrix.svg || [ $$? = 1 ]

# Every scenario of diagnose, in network namespaces, with nginx and HAProxy as gateways in front: a table of the verdicts.
test-diagnose: setup-test ## scenario, verdict, right or wrong, seconds (root)
	WHYGATE_SCENARIOS=all $(GO) test -count=1 -timeout 8m -run '^TestScenarios$$' ./internal/diagnose -v

test-explain: setup-test ## real proxies' logs of known causes, and what explain says of them (root)
	WHYGATE_EXPLAIN=all $(GO) test -count=1 -parallel 7 -timeout 10m -run '^TestLab$$' ./internal/explain -v

# The proxies and servers that Debian packages: with the bad line they make the failure, with the mended one they do not.
LINTED = nginx:nginx-light haproxy apache2 varnishd:varnish caddy gunicorn php-fpm8.2:php8.2-fpm
test-lint: setup ## lint's rules against the real proxies: what was shown, what was skipped and why (root)
	@.ci/need $(LINTED)
	@set -o pipefail; WHYGATE_LINT=all $(GO) test -count=1 -parallel 4 -timeout 8m -run '^TestProofs$$' ./internal/lint -v | grep -v -E '^ *=== '

# The original proxy and ours, in front of the same upstreams, asked the same.
IMPORTED = nginx:nginx-light haproxy caddy apache2
test-import: setup ## whygate import against the real proxies: each feature, 30 requests, all equal; what was skipped and why
	@.ci/need $(IMPORTED)
	@set -o pipefail; PATH="$$PATH:/usr/sbin:/sbin" WHYGATE_IMPORT=all $(GO) test -count=1 -timeout 8m -run '^TestImported$$' ./cmd/whygate -v | grep -v -E '^ *=== '

test-kubernetes: setup ## diagnose --kubernetes at a real API server: the first time it builds one, which takes a quarter of an hour
	@.ci/need etcd:etcd-server
	@if apiserver=$$(.ci/kube-apiserver $(GO)); then \
		WHYGATE_KUBE_APISERVER=$$apiserver $(GO) test -count=1 -timeout 8m -run '^TestRealAPIServer$$' ./internal/kubernetes -v; \
	else echo "skipped: there is no kube-apiserver to test with"; fi

clean:
	rm -f whygate
