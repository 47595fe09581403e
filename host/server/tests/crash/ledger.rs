//! The payment ledger: an HTTP server in the test that remembers every request.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, StatusCode, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinHandle};

/// How long a charge takes at most: long enough to be killed in the middle of.
const CHARGE_MAX_MS: u64 = 25;

/// Dropping it ends it.
#[derive(Debug)]
pub struct Ledger {
    pub url: String,
    book: Arc<Mutex<Book>>,
    serving: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Book {
    payments: BTreeMap<String, Payment>,
    requests: u64,
}

/// Everything that came in about one payment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Payment {
    /// Idempotency keys of its charges.
    pub keys: BTreeSet<String>,
    pub charges: u32,
    /// Idempotency keys of its confirmations.
    pub confirmations: BTreeSet<String>,
    /// Charges that came after it was confirmed.
    pub late: u32,
}

impl Ledger {
    pub async fn start() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", socket.local_addr().expect("an address"));
        let book = Arc::new(Mutex::new(Book::default()));
        let serving = tokio::spawn(serve(socket, Arc::clone(&book)));
        Self { url, book, serving }
    }

    pub fn payments(&self) -> BTreeMap<String, Payment> {
        lock(&self.book).payments.clone()
    }

    /// Forgets what is checked and will not come again.
    pub fn forget(&self) {
        lock(&self.book).payments.clear();
    }

    pub fn payment(&self, id: &str) -> Payment {
        lock(&self.book).payments.get(id).cloned().unwrap_or_default()
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().expect("no holder panics")
}

async fn serve(socket: TcpListener, book: Arc<Mutex<Book>>) {
    loop {
        let Ok((stream, _)) = socket.accept().await else { continue };
        let book = Arc::clone(&book);
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, Arc::clone(&book)));
            // A client that was killed is no fault of the ledger.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    book: Arc<Mutex<Book>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let key = request.headers().get("idempotency-key").and_then(|key| key.to_str().ok()).map(str::to_owned);
    // A body that breaks off was sent by a killed process: no request.
    let body = request.into_body().collect().await.ok().map(http_body_util::Collected::to_bytes);
    let payment = body.and_then(|body| String::from_utf8(body.into()).ok());
    let (Some(key), Some(payment)) = (key, payment) else {
        return Ok(respond(StatusCode::BAD_REQUEST, "no key or no payment".to_owned()));
    };
    let (receipt, pause) = match path.as_str() {
        "/charge" => lock(&book).charge(&key, &payment),
        "/confirm" => lock(&book).confirm(&key, &payment),
        _ => return Ok(respond(StatusCode::NOT_FOUND, path)),
    };
    let charges = lock(&book).payments.get(&payment).map_or(0, |payment| payment.charges);
    tokio::time::sleep(pause).await;
    let mut response = respond(StatusCode::OK, receipt);
    response.headers_mut().insert("charges", charges.into());
    Ok(response)
}

fn respond(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response
}

impl Book {
    fn charge(&mut self, key: &str, payment: &str) -> (String, Duration) {
        self.requests += 1;
        let entry = self.payments.entry(payment.to_owned()).or_default();
        entry.keys.insert(key.to_owned());
        entry.charges += 1;
        entry.late += u32::from(!entry.confirmations.is_empty());
        let pause = Duration::from_millis(self.requests * 7 % CHARGE_MAX_MS);
        (format!("receipt {} of {payment}", self.requests), pause)
    }

    fn confirm(&mut self, key: &str, payment: &str) -> (String, Duration) {
        self.requests += 1;
        self.payments.entry(payment.to_owned()).or_default().confirmations.insert(key.to_owned());
        (format!("confirmation {}", self.requests), Duration::ZERO)
    }
}
