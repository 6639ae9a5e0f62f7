# One word for each thing a person does here. `make help` lists them.
CARGO ?= cargo
BIN := target/release

.PHONY: help build demo test fmt lint drill bench soak reference

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

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

drill: build ## prove every limit on real processes (under 90 s)
	@$(BIN)/perpsctl drill

bench: build ## measure against the floors; writes target/bench.json
	$(CARGO) bench --package perps-guard --bench floors

reference: ## write docs/config.md and docs/config.schema.json anew from the catalogue of keys
	$(CARGO) run --quiet --package config --example generate_reference
