//! A server for effects to call: it remembers what came in.
//!
//! | | |
//! |---|---|
//! | `/charge` | answers a receipt with a number of its own |
//! | `/unwilling` | refuses a key twice, then does the same |
//! | `/silent` | never answers |

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, StatusCode, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinHandle};

/// How often `/unwilling` refuses one key.
pub const REFUSALS: usize = 2;

/// Dropping it ends it.
#[derive(Debug)]
pub struct Ledger {
    address: String,
    entries: Entries,
    serving: JoinHandle<()>,
}

type Entries = Arc<Mutex<Vec<Entry>>>;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// With its query, by which tests tell their requests apart.
    pub path: String,
    pub key: String,
    pub body: String,
}

impl Ledger {
    pub async fn start() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = socket.local_addr().expect("an address").to_string();
        let entries = Entries::default();
        let serving = tokio::spawn(serve(socket, Arc::clone(&entries)));
        Self { address, entries, serving }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What came in for a path and query that begin like this.
    pub fn entries(&self, path: &str) -> Vec<Entry> {
        let entries = self.entries.lock().expect("no holder panics");
        entries.iter().filter(|entry| entry.path.starts_with(path)).cloned().collect()
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(socket: TcpListener, entries: Entries) {
    loop {
        let Ok((stream, _)) = socket.accept().await else { continue };
        let entries = Arc::clone(&entries);
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, Arc::clone(&entries)));
            // A client that was killed is no fault of the ledger.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(request: Request<Incoming>, entries: Entries) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().to_string();
    let key = request.headers().get("idempotency-key").and_then(|key| key.to_str().ok());
    let key = key.unwrap_or_default().to_owned();
    let Ok(body) = request.into_body().collect().await else {
        return Ok(respond(StatusCode::BAD_REQUEST, "the body breaks off".to_owned()));
    };
    let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    if path.starts_with("/silent") {
        std::future::pending::<()>().await;
    }
    let entry = Entry { path, key, body };
    let (number, earlier) = {
        let mut entries = entries.lock().expect("no holder panics");
        let earlier = entries.iter().filter(|other| other.key == entry.key).count();
        entries.push(entry.clone());
        (entries.len(), earlier)
    };
    if entry.path.starts_with("/unwilling") && earlier < REFUSALS {
        return Ok(respond(StatusCode::SERVICE_UNAVAILABLE, "not now".to_owned()));
    }
    Ok(respond(StatusCode::OK, format!("receipt {number}")))
}

fn respond(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response
}
