#!/usr/bin/env bash
# A first session with Relight: deploys the greeter and the theatre, calls them, kills the server in the middle of a
# checkout, starts it again, and sees the same checkout end with exactly one payment.
#
# Everything runs on free ports and in a temporary folder; whatever this script starts it stops again.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$(mktemp -d)
server_pid='' payments_pid=''
# What cannot be stopped any more is stopped already.
finish() {
  status=$?
  trap - EXIT INT TERM
  if [ $status -ne 0 ]; then
    echo "quickstart: failed; the server's log ends with:" >&2
    tail -n 20 "$folder/server.log" >&2 2> /dev/null || true
  fi
  for pid in $server_pid $payments_pid; do kill "$pid" 2> /dev/null || true; done
  for pid in $server_pid $payments_pid; do wait "$pid" 2> /dev/null || true; done
  rm -rf "$folder"
  exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

title() { printf '\n\033[1m# %s\033[0m\n' "$*"; }
[ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ] || title() { printf '\n# %s\n' "$*"; }
fail() { echo "quickstart: $1" >&2; exit 1; }

# Shows a curl command and its answer, and keeps the answer in $answer. Addresses are shown as people would type them.
show() {
  local shown='$ curl'
  for word; do
    case $word in *[[:space:]\{\"\']*) shown="$shown '$word'" ;; *) shown="$shown $word" ;; esac
  done
  echo "$shown"
  answer=$(curl --silent --show-error --max-time 60 "$@") || fail "no answer"
  echo "$answer"
}
expect() { [[ $answer == *"$1"* ]] || fail "the answer has no \`$1\`"; }
# The value of a field of flat JSON.
field() { sed -n "s/.*\"$2\":\"\{0,1\}\([^\",}]*\).*/\1/p" <<< "$1"; }
# Runs a check until it holds, for at most 30 s.
until_holds() {
  local what=$1 deadline=$((SECONDS + 30)); shift
  until "$@"; do
    [ $SECONDS -lt $deadline ] || fail "$what: not within 30 s"
    sleep 0.1
  done
}

start_server() {
  rm -f "$folder/data/addresses.json"
  echo "\$ relight up --data-dir $folder/data --port-ingress 0 --port-admin 0 &"
  "$relight" up --data-dir "$folder/data" --port-ingress 0 --port-admin 0 >> "$folder/server.log" 2>&1 &
  server_pid=$!
  until_holds "the server starts" serves
  ingress=$(field "$(cat "$folder/data/addresses.json")" ingress)
  export RELIGHT_ADMIN RELIGHT_INGRESS="$ingress"
  RELIGHT_ADMIN=$(field "$(cat "$folder/data/addresses.json")" admin)
  echo "it serves at $ingress"
}
serves() {
  kill -0 "$server_pid" 2> /dev/null || fail "the server ended"
  [ -f "$folder/data/addresses.json" ]
}

title "Build: the server, the examples, a payment server"
cargo build --bin relight
target=$(cargo metadata --no-deps --format-version 1 | grep -o '"target_directory":"[^"]*"' | cut -d'"' -f4)
relight=$target/debug/relight
cargo xtask components greeter theatre
cargo build --quiet --manifest-path examples/theatre/payments/Cargo.toml --target-dir "$target/payments"

title "Start the server, its data in a temporary folder"
start_server

title "Deploy the greeter"
echo '$ relight deploy examples/greeter/rust'
"$relight" deploy "$target/components/greeter.wasm"
show "$ingress/Greeter/greet" --json '{"name":"Ada"}'
expect 'Hello, Ada!'
show "$ingress/Greeter/greet" --json '{"name":"Ada"}'
expect '"visit":2'

title "Start a payment server that takes 5 s to answer a charge"
"$target/payments/debug/theatre-payments" --port 0 --ledger "$folder/ledger" --delay-ms 5000 > "$folder/payments.log" 2>&1 &
payments_pid=$!
until_holds "the payment server starts" grep -q '127.0.0.1:[0-9]' "$folder/payments.log"
payments=$(grep -o '127.0.0.1:[0-9]*' "$folder/payments.log" | head -n 1)
echo "it serves at http://$payments"

title "Deploy the theatre: its effects may reach that payment server and nothing else"
echo "\$ relight deploy examples/theatre/rust --allow-http $payments"
"$relight" deploy "$target/components/theatre.wasm" --allow-http "$payments"

title "Put a ticket into two carts: the first one gets it"
show "$ingress/Cart/ann/add_ticket" --json '{"ticket":"A1"}'
expect true
show "$ingress/Cart/bob/add_ticket" --json '{"ticket":"A1"}'
expect false

title "Check out, without waiting for the result"
checkout="{\"payments_url\":\"http://$payments\"}"
show "$ingress/Cart/ann/checkout/send" --json "$checkout" -H 'idempotency-key: order-1'
expect Accepted
invocation=$(field "$answer" invocationId)
charged() { curl --silent "http://$payments/payments" | grep -q pay_1; }
until_holds "the charge arrives" charged
echo "the payment server has recorded the charge and not answered yet"

title "Kill the server in the middle of the checkout"
echo "\$ kill -9 $server_pid"
kill -9 "$server_pid"
wait "$server_pid" 2> /dev/null || true
server_pid=''

title "Start it again: the checkout goes on by itself"
start_server
show "$ingress/relight/attach/$invocation"
expect '"payment_id":"pay_1"'
echo "the same idempotency key is the same checkout:"
show "$ingress/Cart/ann/checkout" --json "$checkout" -H 'idempotency-key: order-1'
expect '"payment_id":"pay_1"'

title "Count the payments"
show "http://$payments/payments"
payments_made=$(grep -o '"payment_id"' <<< "$answer" | wc -l)
[ "$payments_made" = 1 ] || fail "there are $payments_made payments"
echo "two requests reached the payment server, with one idempotency key: one payment"

title "Look at what happened"
echo "\$ relight inv get $invocation"
"$relight" inv get "$invocation"

cat <<'END'

# Done
The server was killed while a checkout waited for a payment. It continued where it was, and the customer paid once.
Everything that was started here is stopped, and its data is deleted.

Where to go next:
  cargo build --release --bin relight       the command, in target/release/relight
  relight new hello --lang rust             a project of your own
  examples/theatre/rust/src                 the code of this session
  ARCHITECTURE.md                           how it works
END
