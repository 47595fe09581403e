//! Outgoing HTTP of effects: one connection per request, to an address that the deployment's allow-list permits.
//!
//! The name is resolved here, the address is checked, and that very address is connected to: a name that resolves to
//! something else a moment later changes nothing. Redirects are not followed, proxies are not used.

mod allow;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{
    Method, Uri,
    body::Incoming,
    client::conn::http1,
    header::{HOST, HeaderMap, HeaderName, HeaderValue},
};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::AbortHandle,
    time::timeout,
};
use tokio_rustls::TlsConnector;

pub(crate) use self::allow::AllowList;
use crate::{
    bindings::relight::handler::http::{Error, Request, Response},
    limits::{
        HTTP_CONNECT_TIMEOUT, HTTP_HEAD_BYTES_MAX, HTTP_HEADERS_MAX, HTTP_REQUEST_BYTES_MAX,
        HTTP_RESPONSE_BYTES_MAX, HTTP_TIMEOUT_MAX,
    },
};

/// Headers that belong to the connection; the host sets those that are needed.
const CONNECTION_HEADERS: [&str; 10] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// TLS with the root certificates of the Mozilla programme, built into the binary.
pub(crate) fn tls() -> Result<Arc<ClientConfig>, rustls::Error> {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Sends a request and waits for the whole answer.
pub(crate) async fn fetch(
    request: Request,
    allow: &AllowList,
    tls: &Arc<ClientConfig>,
) -> Result<Response, Error> {
    let limit = request.timeout.map_or(HTTP_TIMEOUT_MAX, Duration::from_millis).min(HTTP_TIMEOUT_MAX);
    match timeout(limit, exchange(request, allow, tls)).await {
        Ok(result) => result,
        Err(_) => Err(Error::Timeout),
    }
}

/// Where a request goes.
struct Destination {
    is_tls: bool,
    /// Without the brackets of an IPv6 address.
    host: String,
    port: u16,
}

async fn exchange(request: Request, allow: &AllowList, tls: &Arc<ClientConfig>) -> Result<Response, Error> {
    if request.body.len() > HTTP_REQUEST_BYTES_MAX {
        return Err(Error::TooLarge);
    }
    let uri: Uri =
        request.url.parse().map_err(|_| Error::Denied(format!("`{}` is not a URL", request.url)))?;
    let destination = destination(&uri)?;
    let outgoing = outgoing(request, &uri)?;
    allow.check_name(&destination.host, destination.port).map_err(Error::Denied)?;
    let connecting = async {
        let tcp = connect(&destination, allow).await?;
        if !destination.is_tls {
            return Ok(Box::new(tcp) as Box<dyn Stream>);
        }
        let name = ServerName::try_from(destination.host.clone())
            .map_err(|_| Error::Connect(format!("`{}` is not a server name", destination.host)))?;
        let stream = TlsConnector::from(tls.clone()).connect(name, tcp).await.map_err(connect_failed)?;
        Ok(Box::new(stream) as Box<dyn Stream>)
    };
    let stream = timeout(HTTP_CONNECT_TIMEOUT, connecting).await.map_err(|_| Error::Timeout)??;
    send(outgoing, stream).await
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

fn destination(uri: &Uri) -> Result<Destination, Error> {
    let denied = |why: &str| Error::Denied(format!("`{uri}`: {why}"));
    let is_tls = match uri.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        _ => return Err(denied("only absolute http and https URLs can be fetched")),
    };
    let authority = uri.authority().ok_or_else(|| denied("it has no host"))?;
    if authority.as_str().contains('@') {
        return Err(denied("put credentials into a header, not into the URL"));
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    if host.is_empty() {
        return Err(denied("it has no host"));
    }
    Ok(Destination { is_tls, host, port: authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 }) })
}

fn outgoing(request: Request, uri: &Uri) -> Result<hyper::Request<Full<Bytes>>, Error> {
    let other = |what: &str, text: &str| Error::Other(format!("`{text}` is not {what}"));
    let method = Method::from_bytes(request.method.as_bytes())
        .ok()
        .filter(|method| method != Method::CONNECT)
        .ok_or_else(|| other("a method of HTTP that can be sent", &request.method))?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut outgoing = hyper::Request::new(Full::new(request.body));
    *outgoing.method_mut() = method;
    *outgoing.uri_mut() = path.parse().map_err(|_| other("a path", path))?;
    let headers = outgoing.headers_mut();
    for (name, value) in &request.headers {
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| other("a header name", name))?;
        if CONNECTION_HEADERS.contains(&header.as_str()) {
            continue;
        }
        let value =
            HeaderValue::from_bytes(value.as_bytes()).map_err(|_| other("the value of a header", value))?;
        headers.try_append(header, value).map_err(|_| Error::TooLarge)?;
    }
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    headers.insert(HOST, HeaderValue::from_str(authority).map_err(|_| other("a host", authority))?);
    Ok(outgoing)
}

/// A connection to the first permitted address that answers.
async fn connect(destination: &Destination, allow: &AllowList) -> Result<TcpStream, Error> {
    let Destination { host, port, .. } = destination;
    let addresses: Vec<SocketAddr> = match host.parse::<IpAddr>() {
        Ok(address) => vec![(address, *port).into()],
        Err(_) => tokio::net::lookup_host((host.as_str(), *port)).await.map_err(connect_failed)?.collect(),
    };
    let mut last = Error::Connect(format!("`{host}` has no address"));
    for address in addresses {
        if let Err(why) = allow.check_address(host, address) {
            last = Error::Denied(why);
            continue;
        }
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Requests are written in one piece; waiting for more to send only costs time.
                stream.set_nodelay(true).map_err(connect_failed)?;
                return Ok(stream);
            }
            Err(error) => last = connect_failed(error),
        }
    }
    Err(last)
}

fn connect_failed(error: io::Error) -> Error {
    Error::Connect(error.to_string())
}

async fn send(request: hyper::Request<Full<Bytes>>, stream: Box<dyn Stream>) -> Result<Response, Error> {
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HTTP_HEAD_BYTES_MAX)
        .max_headers(HTTP_HEADERS_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(http_failed)?;
    // The connection moves bytes while this function waits, and ends with it.
    let _driver = Driver(tokio::spawn(connection).abort_handle());
    let response = sender.send_request(request).await.map_err(http_failed)?;
    let (head, body) = response.into_parts();
    Ok(Response { status: head.status.as_u16(), headers: headers(&head.headers), body: body_of(body).await? })
}

struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn body_of(body: Incoming) -> Result<Bytes, Error> {
    match Limited::new(body, HTTP_RESPONSE_BYTES_MAX).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Error::TooLarge),
        Err(error) => Err(Error::Other(error.to_string())),
    }
}

fn headers(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect()
}

fn http_failed(error: hyper::Error) -> Error {
    if error.is_parse_too_large() {
        return Error::TooLarge;
    }
    Error::Other(error.to_string())
}
