#!/usr/bin/env bash
# The SDKs and guests in other languages than Rust, checked with those languages' own tools: types, vet, the SDKs' unit tests.
# What guests do on a host is tested by the workspace's tests, over the components that `cargo xtask components` makes.
#
# A language whose tools are missing is skipped, and that is said; with `CI` set it is an error.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

tools="${XDG_CACHE_HOME:-$HOME/.cache}/relight/tools"
PATH=$tools/bin:$PATH
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Whether all of these programs are there.
has() {
  local language=$1 tool; shift
  for tool; do
    command -v "$tool" > /dev/null || {
      reason="checks of $language: no \`$tool\`; \`make setup\` installs it"
      echo "skipped: $reason" >&2
      [ -z "${SKIPPED_TESTS:-}" ] || echo "$reason" >> "$SKIPPED_TESTS"
      [ -z "${CI:-}" ] || exit 1
      return 1
    }
  done
}
# Folders of guests with one of these names.
guests() {
  local name folder
  for name; do
    for folder in components/{bench,portable}/"$name" examples/*/"$name"; do
      [ ! -d "$folder" ] || echo "$folder"
    done
  done
}
quiet() { "$@" > "$scratch/said" 2>&1 || { echo "failed: $*" >&2; cat "$scratch/said" >&2; return 1; }; }

if [ -d guest-sdk/python ] && has Python mypy "$tools/python/bin/python"; then
  check_types() { (cd "$1" && MYPYPATH=$root/guest-sdk/python quiet mypy --strict --cache-dir "$scratch/mypy" .); }
  (cd guest-sdk/python && quiet mypy --cache-dir "$scratch/mypy")
  (cd guest-sdk/python && quiet "$tools/python/bin/python" -B -m unittest discover -s tests)
  for guest in $(guests python); do check_types "$guest"; done
fi

if [ -d guest-sdk/js ] && has TypeScript node npm tsc; then
  (cd guest-sdk/js && quiet npm run --silent types && quiet npm test --silent)
  for guest in $(guests js ts); do
    [ ! -f "$guest/tsconfig.json" ] || quiet tsc --noEmit -p "$guest"
  done
fi

if [ -d guest-sdk/go ] && has Go go; then
  export GOPROXY=off GOTOOLCHAIN=local GOFLAGS=-mod=mod
  (cd guest-sdk/go && quiet go vet ./... && quiet go test ./...)
  for guest in guest-sdk/go $(guests go); do
    (cd "$guest" && GOOS=wasip1 GOARCH=wasm quiet go vet ./...)
  done
fi
