# What a newcomer needs: `make demo` shows it, `make test` checks it. Both install what is missing.

# Rust's installer puts cargo where not every shell looks, Debian's ip and ethtool likewise.
export PATH := $(HOME)/.cargo/bin:$(PATH):/usr/local/sbin:/usr/sbin:/sbin
# Network namespaces need root.
AS_ROOT := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

.PHONY: help demo test lint setup clean

help:
	@echo "make demo    a network, a responder, real clients, in half a minute (needs root)"
	@echo "make test    format, lints, and every test; as root the privileged ones too"
	@echo "make lint    format and lints alone"
	@echo "make setup   install the Debian packages that are missing, and nothing else"
	@echo "make clean   remove what was built"

demo:
	@tools/setup demo
	cargo build --release --locked --bin handfast
	$(AS_ROOT) target/release/handfast lab demo

test: setup lint
	@tools/test

lint:
	cargo fmt --check
	cargo clippy --all-targets --locked -- -D warnings

setup:
	@tools/setup test

clean:
	cargo clean
