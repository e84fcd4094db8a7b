# Entry points for people and for CI. `make test` is everything that CI runs.
CARGO ?= cargo

.PHONY: test lint docs
test: lint
	$(CARGO) test --workspace --locked
	$(MAKE) docs

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

docs:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked
