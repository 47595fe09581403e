//! As much HTTP/1.1 as the example needs: one request and one response per connection, bodies with a length.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// More than any request of the example has.
const HEAD_BYTES_MAX: u64 = 16 * 1024;
const BODY_BYTES_MAX: u64 = 64 * 1024;
/// A client that stops in the middle must not keep a thread for ever.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

pub struct Request {
    pub method: String,
    pub path: String,
    headers: Vec<(String, String)>,
    pub body: String,
}

pub struct Response {
    status: u16,
    body: String,
}

impl Request {
    /// Read one request. The inner error is the answer to a request that cannot be read.
    pub fn read(stream: &TcpStream) -> io::Result<Result<Self, Response>> {
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        let mut reader = BufReader::new(stream);
        let mut head = Vec::new();
        let mut limited = (&mut reader).take(HEAD_BYTES_MAX);
        loop {
            let mut line = String::new();
            limited.read_line(&mut line)?;
            match line.trim_end() {
                "" => break,
                line => head.push(line.to_owned()),
            }
        }
        let mut words = head.first().map(String::as_str).unwrap_or_default().split(' ');
        let (Some(method), Some(path)) = (words.next(), words.next()) else {
            return Ok(Err(Response::error(400, "this is not HTTP")));
        };
        let headers: Vec<_> = head[1..]
            .iter()
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut request =
            Self { method: method.to_owned(), path: path.to_owned(), headers, body: String::new() };
        let length = request.header("content-length").map_or(Ok(0), str::parse::<u64>);
        match length {
            Ok(length) if length <= BODY_BYTES_MAX => {
                reader.take(length).read_to_string(&mut request.body)?;
                Ok(Ok(request))
            }
            Ok(_) => Ok(Err(Response::error(413, "the body is too large"))),
            Err(_) => Ok(Err(Response::error(400, "the content-length is no number"))),
        }
    }

    /// A header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

impl Response {
    pub fn ok(body: String) -> Self {
        Self { status: 200, body }
    }

    pub fn error(status: u16, message: &str) -> Self {
        Self { status, body: format!(r#"{{"message":"{message}"}}"#) }
    }

    pub fn write(&self, mut stream: &TcpStream) -> io::Result<()> {
        let reason = match self.status {
            200 => "OK",
            402 => "Payment Required",
            404 => "Not Found",
            413 => "Content Too Large",
            _ => "Bad Request",
        };
        let Self { status, body } = self;
        let length = body.len();
        let response = format!(
            "HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
             connection: close\r\n\r\n{body}"
        );
        stream.write_all(response.as_bytes())
    }
}
