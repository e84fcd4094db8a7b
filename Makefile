# Entry points for people and for CI. `make test` is everything that CI runs.
CARGO ?= cargo
DIRECTORY := target/debug

.PHONY: demo stack test tools test-tools lint check docs deny build checkers

# The main job end to end on real parts; fails when a claim does not hold.
demo: tools build
	@tests/drivers/setup.sh python
	$(DIRECTORY)/demo target/demo

# The demo's parts on free ports, until interrupted; prints one line of JSON. The typesetter is none of them.
stack: tools
	@$(CARGO) build --profile stack --workspace --exclude exhibit-verify-pdf --bins --locked
	@target/stack/stack

test: tools test-tools lint build check docs deny demo checkers

# Programs that share no code with us check the demo's export and its report; their mutants are among the workspace's tests.
checkers:
	tests/checkers/setup.sh
	target/checkers/venv/bin/python tests/checkers/python/check.py target/demo/bundle target/demo/trust.toml
	target/checkers/check-go target/demo/bundle target/demo/trust.toml
	target/checkers/venv/bin/python tests/checkers/python/workbook.py target/demo/report
	node tests/checkers/browser/check.js target/demo/report/report.html

tools:
	@scripts/tools.sh

# The tests need a current PostgreSQL and libpq beside Debian's.
test-tools:
	@scripts/tools.sh test

build:
	@$(CARGO) build --workspace --bins --locked --quiet

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

check:
	$(CARGO) test --workspace --locked

docs:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked

deny:
	@scripts/tools.sh deny
	$(CARGO) deny check bans licenses sources
