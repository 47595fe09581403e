# What a developer types. Everything here works on a clean checkout: what is missing is installed first.
.PHONY: setup quickstart test bench fmt

setup:
	@bash xtask/setup/setup.sh

# A scripted session with a real server, killed in the middle of a checkout.
quickstart: setup
	@bash xtask/quickstart.sh

# Guests first: tests upload them.
test: setup
	@cargo xtask components
	@bash xtask/test.sh

# Options: make bench ARGS="--workload greet --conc 1,64"
bench: setup
	@cargo build --release --bin relight
	@cargo xtask components
	@cargo xtask bench $(ARGS)

fmt: setup
	@cargo fmt --all
	@for manifest in $$(cargo xtask components --list-workspaces); do cargo fmt --all --manifest-path $$manifest; done
