# What a newcomer needs: `make demo` shows it, `make bench` measures it, `make test` checks it. They
# install what is missing.

# Rust's installer puts cargo where not every shell looks, Debian's ip and ethtool likewise.
export PATH := $(HOME)/.cargo/bin:$(PATH):/usr/local/sbin:/usr/sbin:/sbin
# Network namespaces need root.
AS_ROOT := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

.PHONY: help demo bench pictures test soak counts counts-update lint deb deb-test nic-test setup clean

help:
	@echo "make demo    a network, a responder, real clients, in half a minute and the build (needs root)"
	@echo "make bench   handfast beside the kernel's stack and the ceilings, in 8 minutes (needs root)"
	@echo "make pictures  draws every picture of docs anew: scenarios, demo, live view, in 2 minutes and the build (needs root); PLOTS=yes for those of docs/plots, too"
	@echo "make test    format, lints, and every test; as root the privileged ones too"
	@echo "make soak    mixed clients over a line with loss for 20 minutes, or SOAK=5 (needs root): what is left?"
	@echo "make counts  instructions of the hot paths beside docs/instructions.txt, in 20 seconds; make test does it too"
	@echo "make counts-update  record them"
	@echo "make lint    format and lints alone"
	@echo "make deb     the Debian package, in target/debian"
	@echo "make deb-test  installs it in a fresh Debian root and uses it there, in 4 minutes (needs root and the network)"
	@echo "make nic-test  handfast on the NICs of guests under three kernels, some 6 minutes of processor time each; KERNELS=\"6.1\" NICS=\"igb\" CELLS=\"auto mtu\" choose (needs root and Debian's mirror)"
	@echo "make setup   install the Debian packages that are missing, and nothing else"
	@echo "make clean   remove what was built"

demo:
	@tools/setup demo
	cargo build --release --locked --bin handfast
	$(AS_ROOT) target/release/handfast lab demo

# The tests themselves as root, cargo as whoever calls it.
TEST_AS_ROOT := $(if $(AS_ROOT),--config 'target."cfg(unix)".runner="$(AS_ROOT)"')

# More rounds, or what else `handfast lab bench --help` lists: make bench BENCH="--rounds 10"
BENCH =

bench:
	@tools/setup demo
	cargo build --release --locked --bin handfast
	@mkdir -p target/bench
	@echo "6 to 8 minutes, unless BENCH says otherwise; a quiet machine gives quiet figures"
	$(AS_ROOT) target/release/handfast lab bench --json target/bench/comparison.json \
		--html target/bench/comparison.html --raw target/bench/runs.json $(BENCH)
	cargo test --release --locked --test bench $(TEST_AS_ROOT) figures -- --ignored --nocapture --test-threads 1
	@echo "target/bench: comparison.json, comparison.html, runs.json"

# tests/trace compares the scenarios with what is drawn then, and tests/pictures looks at all of them in a
# browser; those of the demo, the live view and the comparison are of the machine and the day.
PLOTS =

pictures:
	@tools/setup pictures
	cargo build --release --locked --bin handfast
	$(AS_ROOT) target/release/handfast lab trace --all --svg docs/trace
	cargo test --release --locked --test pictures $(TEST_AS_ROOT) demo:: -- --ignored
	cargo test --release --locked --test top $(TEST_AS_ROOT) picture:: -- --ignored
	tools/screenshot target/bench/comparison.html docs/comparison.png
	$(if $(PLOTS),cargo run --release --locked --package handfast-comparisons --bin maps -- --rounds 3 --plots docs/plots)
	cargo test --release --locked --test pictures

test: setup lint
	@tools/test
	@$(MAKE) --no-print-directory counts

# Minutes of traffic; three more until the last keep-alive has had its time.
SOAK = 20

soak: setup
	cargo test --locked --test veth \
		--config 'target."cfg(unix)".runner="$(AS_ROOT) env HF_SOAK_MINUTES=$(SOAK)"' soak:: -- --ignored --nocapture

# Instructions do not hang on what else the machine does, so a rise of 3 % fails.
COUNT := target/release/instructions
COUNTS := docs/instructions.txt

counts: $(COUNT)
	@$(COUNT) check $(COUNTS)

counts-update: $(COUNT)
	@$(COUNT) update $(COUNTS)

# cargo knows what is up to date.
.PHONY: $(COUNT)
$(COUNT):
	@tools/setup counts
	cargo build --release --locked --package handfast-instructions

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

deb:
	@tools/setup build
	@tools/deb

deb-test: deb
	@tools/setup package
	lintian --fail-on error target/debian/*.deb
	$(AS_ROOT) env $(if $(BASE),BASE=$(BASE)) tests/packaging/fresh-root.sh target/debian/*.deb
	$(AS_ROOT) env $(if $(BASE),BASE=$(BASE)) tests/packaging/service.sh target/debian/*.deb

# Series of kernels that the mirror serves, or newest. NICs and cells: tests/nic/src/cells.rs.
KERNELS = 6.1 6.12 newest
NICS =
CELLS =

nic-test:
	@tools/setup nic
	@tests/nic/fetch $(KERNELS)
	cargo build --release --locked --bin handfast
	cargo build --locked --package handfast-nic
	$(AS_ROOT) env HANDFAST=target/release/handfast target/debug/nic-test run $(KERNELS) --nics "$(NICS)" --cells "$(CELLS)"

setup:
	@tools/setup test

clean:
	cargo clean
