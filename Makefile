# What a developer types. Everything here works on a clean checkout: what is missing is installed first.
.PHONY: setup base quickstart test bench fmt

# What the server and guests in Rust need, and what guests in other languages need for their tests.
# make setup LANGUAGES="js python": only these languages; LANGUAGES= none.
setup: base
	@bash xtask/setup/languages.sh

base:
	@bash xtask/setup/setup.sh

# A scripted session with a real server, killed in the middle of a checkout.
quickstart: base
	@bash xtask/quickstart.sh

# Guests first: tests upload them.
test: setup
	@cargo xtask components
	@bash xtask/test.sh

# Options: make bench ARGS="--workload greet --conc 1,64"
bench: base
	@cargo xtask bench $(ARGS)

fmt: base
	@cargo fmt --all
	@for manifest in $$(cargo xtask components --list-workspaces); do cargo fmt --all --manifest-path $$manifest; done
