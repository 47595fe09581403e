#!/usr/bin/env bash
# Installs what a build of Relight needs and this machine lacks. Safe to run again: what is there is left alone.
#
#   system packages   g++, make, curl, git and libclang, from Debian's archive
#   wasm target       of the Rust toolchain in use, for guests
#   crates            of the lock files
#   librocksdb.a      compiled once into ${XDG_CACHE_HOME:-~/.cache}/relight
#   .cargo/local.toml where this machine keeps librocksdb.a and build output (git ignores it)
set -euo pipefail
cd "$(dirname "$0")/../.."

fail() { echo "error: $1" >&2; [ -z "${2:-}" ] || echo "hint: $2" >&2; exit 1; }
say() { echo "setup: $*" >&2; }

# --- system packages -------------------------------------------------------------------------------------------------

# bindgen needs the library and the headers that come with the compiler of the same version.
has_libclang() {
  compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' > /dev/null || compgen -G '/usr/lib*/libclang*.so*' > /dev/null ||
    compgen -G '/usr/lib/*/libclang*.so*' > /dev/null || return 1
  compgen -G '/usr/lib/llvm-*/lib/clang/*/include/stddef.h' > /dev/null ||
    compgen -G '/usr/lib/clang/*/include/stddef.h' > /dev/null
}

missing=()
command -v g++ > /dev/null || missing+=(g++)
command -v make > /dev/null || missing+=(make)
command -v curl > /dev/null || missing+=(curl)
command -v git > /dev/null || missing+=(git)
needs_libclang=no
has_libclang || needs_libclang=yes

if [ ${#missing[@]} -gt 0 ] || [ $needs_libclang = yes ]; then
  names="${missing[*]}"; [ $needs_libclang = no ] || names="$names libclang"
  command -v apt-get > /dev/null || fail "missing: $names" \
    "this is not Debian or Ubuntu: install these (libclang with its headers) with your package manager, then run \`make setup\` again"
  sudo=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo > /dev/null || fail "missing: $names, and neither root nor sudo to install them" "run \`make setup\` as root once"
    sudo=(sudo)
  fi
  say "installing $names"
  "${sudo[@]}" apt-get update -qq
  if [ $needs_libclang = yes ]; then
    # The distribution's default version is the one that its unversioned package depends on.
    version=$(apt-cache depends libclang-dev | sed -n 's/.*libclang-\([0-9]*\)-dev.*/\1/p' | head -n 1)
    [ -n "$version" ] || fail "the package archive has no libclang" "check the sources of apt"
    missing+=("libclang1-$version" "libclang-common-$version-dev")
  fi
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
  has_libclang || fail "libclang is still not found" "look at the output of apt-get above"
fi

# --- Rust ------------------------------------------------------------------------------------------------------------

command -v cargo > /dev/null || fail "cargo is not found" "install Rust 1.95 or newer: https://rustup.rs"
# Handlers are built for the first; the second is for the component that tests WASI.
for target in wasm32-unknown-unknown wasm32-wasip2; do
  if [ ! -d "$(rustc --print sysroot)/lib/rustlib/$target" ]; then
    command -v rustup > /dev/null || fail "the Rust toolchain lacks the target $target" "install it with the package manager that Rust came from"
    say "adding the Rust target $target"
    rustup target add "$target"
  fi
done

say "fetching crates"
cargo fetch --quiet --locked
# The guests are workspaces of their own.
for lock in guest-sdk/Cargo.lock components/*/Cargo.lock examples/*/rust/Cargo.lock examples/*/payments/Cargo.lock; do
  [ ! -f "$lock" ] || cargo fetch --quiet --locked --manifest-path "$(dirname "$lock")/Cargo.toml"
done

# --- RocksDB ---------------------------------------------------------------------------------------------------------

cache="${XDG_CACHE_HOME:-$HOME/.cache}/relight"
mkdir -p "$cache"
manifest=$(cargo metadata --format-version 1 --locked |
  grep -o '"manifest_path":"[^"]*/librocksdb-sys-[^"]*/Cargo.toml"' | head -n 1 | cut -d'"' -f4)
[ -n "$manifest" ] || fail "the dependency librocksdb-sys is not found" "is Cargo.lock whole?"
rocksdb=$(xtask/setup/rocksdb.sh "$cache" "$(dirname "$manifest")" | tail -n 1)

# --- .cargo/local.toml -----------------------------------------------------------------------------------------------

local_toml=".cargo/local.toml"
wanted="[build]
target-dir = \"$cache/target\"
[env]
ROCKSDB_LIB_DIR = \"$rocksdb\"
ROCKSDB_STATIC = \"1\""
if [ "$(cat $local_toml 2> /dev/null)" != "$wanted" ]; then
  printf '%s\n' "$wanted" > $local_toml.part
  mv $local_toml.part $local_toml
  say "wrote $local_toml"
fi
# Build output is where people and tools look for it, too.
[ -e target ] || ln -sfn "$cache/target" target
say "done"
