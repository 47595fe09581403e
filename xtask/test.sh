#!/usr/bin/env bash
# The whole test suite, after `make setup` and `cargo xtask components`. The runner's closing lines are the last ones.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo test --quiet --workspace --doc
if cargo nextest --version > /dev/null 2>&1; then
  cargo nextest run --workspace
else
  cargo test --workspace --all-targets
fi
