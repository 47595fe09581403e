//! A payment server for the theatre example, on the standard library alone. It honours `idempotency-key`, and keeps its ledger in a
//! file, so that it survives being killed.
//!
//! ```text
//! POST /charge                  {"customer":"ann","cents":8000}   header idempotency-key
//!   200 {"payment_id":"pay_1","cents":8000}   the same key gives the same payment
//!   402 when the card is `declined`
//! POST /payments/pay_1/refund   200, also the second time; 404 for an unknown payment
//! GET  /payments                {"payments":[{"payment_id","customer","cents","idempotency_key","requests","refunded"}]}
//! ```

mod http;
mod json;
mod ledger;

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use http::{Request, Response};
use ledger::Ledger;

const USAGE: &str = "usage: theatre-payments [--port 9900] [--ledger payments.ledger] [--delay-ms 0]
  --port      where to listen on 127.0.0.1; 0 picks a free port, which is printed
  --ledger    the file that keeps the payments
  --delay-ms  answer a charge so much later, after it has been recorded: time to kill whoever waits for it";

struct Options {
    port: u16,
    ledger: PathBuf,
    delay: Duration,
}

fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match serve(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("theatre-payments: {error}");
            ExitCode::FAILURE
        }
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options { port: 9900, ledger: PathBuf::from("payments.ledger"), delay: Duration::ZERO };
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("`{name}` needs a value"))?;
        let not_a_number = |_| format!("`{name}` needs a number, not `{value}`");
        match name.as_str() {
            "--port" => options.port = value.parse().map_err(not_a_number)?,
            "--ledger" => options.ledger = PathBuf::from(value),
            "--delay-ms" => options.delay = Duration::from_millis(value.parse().map_err(not_a_number)?),
            _ => return Err(format!("unknown option `{name}`")),
        }
    }
    Ok(options)
}

fn serve(options: &Options) -> std::io::Result<()> {
    let ledger = Arc::new(Mutex::new(Ledger::open(&options.ledger)?));
    let listener = TcpListener::bind(("127.0.0.1", options.port))?;
    println!("listening on http://{}", listener.local_addr()?);
    for stream in listener.incoming() {
        let (stream, ledger, delay) = (stream?, Arc::clone(&ledger), options.delay);
        thread::spawn(move || {
            if let Err(error) = answer(&stream, &ledger, delay) {
                eprintln!("theatre-payments: {error}");
            }
        });
    }
    Ok(())
}

fn answer(stream: &TcpStream, ledger: &Mutex<Ledger>, delay: Duration) -> std::io::Result<()> {
    // One request per connection: simple, and this is no benchmark.
    let request = match Request::read(stream)? {
        Ok(request) => request,
        Err(response) => return response.write(stream),
    };
    let response = route(&request, ledger)?;
    if request.path == "/charge" {
        thread::sleep(delay);
    }
    response.write(stream)
}

fn route(request: &Request, ledger: &Mutex<Ledger>) -> std::io::Result<Response> {
    // The ledger's own operations leave it whole, whatever a thread that held the lock did next.
    let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
    let refunded = request.path.strip_prefix("/payments/").and_then(|rest| rest.strip_suffix("/refund"));
    match (request.method.as_str(), request.path.as_str(), refunded) {
        ("GET", "/payments", _) => Ok(Response::ok(ledger.to_json())),
        ("POST", "/charge", _) => charge(request, &mut ledger),
        ("POST", _, Some(payment_id)) => Ok(match ledger.refund(payment_id)? {
            true => Response::ok("{}".to_owned()),
            false => Response::error(404, "there is no such payment"),
        }),
        _ => Ok(Response::error(404, "there is no such path")),
    }
}

fn charge(request: &Request, ledger: &mut Ledger) -> std::io::Result<Response> {
    let Some(key) = request.header("idempotency-key") else {
        return Ok(Response::error(400, "the header idempotency-key is missing"));
    };
    // The key goes into the ledger as it is, where tabs separate fields.
    if key.chars().any(char::is_control) {
        return Ok(Response::error(400, "the header idempotency-key has a control character"));
    }
    let (customer, cents) = (json::text(&request.body, "customer"), json::number(&request.body, "cents"));
    let (Some(customer), Some(cents)) = (customer, cents) else {
        return Ok(Response::error(400, "the body needs `customer` and `cents`"));
    };
    if json::text(&request.body, "card").as_deref() == Some("declined") {
        return Ok(Response::error(402, "the card was declined"));
    }
    let payment = ledger.charge(key, &customer, cents)?;
    let (payment_id, cents) = (json::quoted(&payment.id), payment.cents);
    Ok(Response::ok(format!(r#"{{"payment_id":{payment_id},"cents":{cents}}}"#)))
}

#[cfg(test)]
mod tests;
