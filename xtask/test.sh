#!/usr/bin/env bash
# The whole test suite, after `make setup` and `cargo xtask components`. The runner's closing lines are the last ones, but for what was
# skipped for want of a tool, and why.
set -euo pipefail
cd "$(dirname "$0")/.."

# Tests add a line for each reason: the runner does not show what a test says that passes.
SKIPPED_TESTS=$(mktemp)
export SKIPPED_TESTS
report_skipped() {
  local status=$?
  if [ -s "$SKIPPED_TESTS" ]; then
    echo "skipped, with the number of tests:" >&2
    sort "$SKIPPED_TESTS" | uniq -c >&2
  fi
  rm -f "$SKIPPED_TESTS"
  exit $status
}
trap report_skipped EXIT

# What runs natively outside of the workspace: the SDK's own tests, and the program that the theatre example brings.
cargo test --quiet --locked --manifest-path guest-sdk/Cargo.toml --package relight --package relight-macros --package relight-test
cargo test --quiet --locked --manifest-path examples/theatre/payments/Cargo.toml

# Types and unit tests of the SDKs in other languages.
bash xtask/languages.sh

cargo test --quiet --workspace --doc
if cargo nextest --version > /dev/null 2>&1; then
  cargo nextest run --workspace
else
  cargo test --workspace --all-targets
fi
