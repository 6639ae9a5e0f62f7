# One word for each thing a person does here. `make help` lists them.
CARGO ?= cargo
BIN ?= target/release

# Where `make install` puts things. DESTDIR stages a package.
DESTDIR ?=
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
PROGRAMS := perps-supervisor perps-guard perps-gateway perps-alerts perps-bot perpsctl zoomex-sim
COMMANDS := perps-supervisor perpsctl
UNITS := perps.service perps@.service

.PHONY: help build demo test test-clients test-systemd fmt lint drill faults bench soak reference install uninstall crash million

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

build: ## the release binaries
	$(CARGO) build --release --workspace --bins

demo: build ## a live guarded session against the simulated exchange (about 90 s)
	@$(BIN)/perpsctl demo

test: fmt lint ## format check, lints, unit, property and real-process tests
	$(CARGO) build --workspace --bins
	$(CARGO) test --workspace

fmt: ## is everything formatted?
	$(CARGO) fmt --all --check

lint: ## clippy, warnings are errors
	$(CARGO) clippy --workspace --all-targets -- -D warnings

test-clients: ## the simulator's wire, judged by pybit and ccxt from PyPI (exit 77: cannot be had)
	$(CARGO) build --bin zoomex-sim
	@command -v python3 >/dev/null || { echo "SKIPPED: no python3 here"; exit 77; }
	@python3 bins/exchange-sim/clients/run.py --sim target/debug/zoomex-sim --venv target/test-clients

drill: build ## prove every limit on real processes (under 90 s)
	@$(BIN)/perpsctl drill

crash: ## the power-cut matrix and 1,000 kills of a guard under load, with their counts (about 5 min)
	$(CARGO) test --package state --test power -- --nocapture
	PERPS_KILLS=1000 $(CARGO) test --package perps-guard --test killing -- --nocapture

faults: build ## one intent is one order while every second order goes wrong (INTENTS=3000)
	@$(BIN)/perpsctl faults --intents $(or $(INTENTS),3000)

bench: build ## measure against the floors; writes target/bench.json
	$(CARGO) build --release --package testkit --example bare_supervisor
	$(CARGO) bench --package perps-guard --bench floors

soak: build ## processes killed and stopped at random under orders; SECONDS=120 SEED=...
	$(CARGO) run --release --quiet --package testkit --example soak -- $(or $(SECONDS),120) $(SEED)

million: ## a million hostile inputs through the engine: no panic, no growth
	$(CARGO) test --release --package risk --test hostile -- --nocapture

reference: ## write docs/config.md, docs/config.schema.json and docs/tags.md anew from the catalogues
	$(CARGO) run --quiet --package config --example generate_reference

test-systemd: ## the service under a real systemd, in a container of its own (root; else exit 77)
	@systemd/test/run

install: ## programs, units and documents, below PREFIX (/usr/local) and DESTDIR
	@for program in $(PROGRAMS); do test -x $(BIN)/$$program || { echo "$(BIN)/$$program is missing: make build first" >&2; exit 1; }; done
	install -d $(DESTDIR)$(PREFIX)/libexec/perps $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(SYSCONFDIR)/logrotate.d
	install -d $(addprefix $(DESTDIR)$(PREFIX)/lib/,systemd/system sysusers.d tmpfiles.d) $(DESTDIR)$(PREFIX)/share/doc/perps
	install -m 0755 $(addprefix $(BIN)/,$(PROGRAMS)) $(DESTDIR)$(PREFIX)/libexec/perps/
	for command in $(COMMANDS); do ln -sfn ../libexec/perps/$$command $(DESTDIR)$(PREFIX)/bin/$$command; done
	for unit in $(UNITS); do sed 's|/usr/local/|$(PREFIX)/|g' systemd/$$unit > $(DESTDIR)$(PREFIX)/lib/systemd/system/$$unit && chmod 0644 $(DESTDIR)$(PREFIX)/lib/systemd/system/$$unit || exit 1; done
	install -m 0644 systemd/perps.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/perps.conf
	install -m 0644 systemd/perps.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/perps.conf
	install -m 0644 systemd/perps.logrotate $(DESTDIR)$(SYSCONFDIR)/logrotate.d/perps
	install -m 0644 systemd/README.md $(DESTDIR)$(PREFIX)/share/doc/perps/systemd.md
	install -m 0644 systemd/bot-user.conf configs/zoomex_example.yaml docs/bot.py docs/*.md $(DESTDIR)$(PREFIX)/share/doc/perps/

uninstall: ## takes away what install put there; configs, keys, state and logs stay
	rm -rf $(DESTDIR)$(PREFIX)/libexec/perps $(DESTDIR)$(PREFIX)/share/doc/perps
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/bin/,$(COMMANDS)) $(addprefix $(DESTDIR)$(PREFIX)/lib/systemd/system/,$(UNITS))
	rm -f $(DESTDIR)$(PREFIX)/lib/sysusers.d/perps.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/perps.conf $(DESTDIR)$(SYSCONFDIR)/logrotate.d/perps
