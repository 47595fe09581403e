//! `relight invoke` and `relight send`: what `curl` does at the ingress, with less to type.

use std::io::Read as _;

use bytes::Bytes;
use hyper::Method;
use serde_json::Value;

use crate::{
    client::{Client, Response, query},
    error::{Error, Exit, Result},
    output::{self, Format, text},
    target::Target,
};

/// What a call and a send have in common.
#[derive(Debug, clap::Args)]
struct Call {
    /// `Service/handler` or `Object/key/handler`.
    target: Target,
    /// The input: JSON, `@FILE`, or `-` for stdin.
    body: Option<String>,
    /// The same key for the same target is one invocation.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// A header for the handler; repeatable.
    #[arg(short = 'H', long = "header", value_name = "NAME:VALUE")]
    headers: Vec<String>,
    /// Content type of the input.
    #[arg(long, value_name = "TYPE", default_value = "application/json")]
    content_type: String,
}

/// Call a handler and wait for its result, which goes to stdout as it is.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  $ relight invoke Greeter/greet '{\"name\":\"Ada\"}'\n  $ relight invoke Counter/mine/add 1 --idempotency-key once"
)]
pub struct Invoke {
    #[command(flatten)]
    call: Call,
}

/// Call a handler without waiting, now or later; prints the invocation's id.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  $ relight send Counter/mine/add 1\n  $ relight send Counter/mine/add 1 --delay 10m -o name"
)]
pub struct Send {
    #[command(flatten)]
    call: Call,
    /// Start it after this time, such as `10s`, `5m` or `PT1H`.
    #[arg(long, value_name = "DURATION")]
    delay: Option<String>,
}

impl Invoke {
    pub async fn run(self, ingress: Client) -> Result {
        let (headers, body) = self.call.parts()?;
        let path = format!("/relight/call/{}", self.call.target.path());
        let answer = ingress.send(Method::POST, &path, &headers, body).await?;
        if let Some(id) = answer.header("x-relight-id") {
            output::say(id);
        }
        print_result(answer)
    }
}

/// The result of an invocation goes to stdout as it is.
pub fn print_result(answer: Response) -> Result {
    let answer = answer.checked()?;
    output::print_bytes(&answer.body)?;
    // Text ends its last line; other bytes are handed on as they are.
    if !answer.body.ends_with(b"\n") && std::str::from_utf8(&answer.body).is_ok() && !answer.body.is_empty() {
        output::print("\n")?;
    }
    Ok(())
}

impl Send {
    pub async fn run(self, ingress: Client, format: Format) -> Result {
        let (headers, body) = self.call.parts()?;
        let delay: Vec<_> = self.delay.into_iter().map(|delay| ("delay".to_owned(), delay)).collect();
        let path = format!("/relight/send/{}{}", self.call.target.path(), query(&delay));
        let sent = ingress.send(Method::POST, &path, &headers, body).await?.into_json()?;
        output::one(format, &sent, "invocationId", table)
    }
}

fn table(sent: &Value) -> String {
    output::fields(&[
        ("invocation", text(sent, "invocationId")),
        ("status", text(sent, "status")),
        ("starts at", text(sent, "executionTime")),
    ])
}

impl Call {
    fn parts(&self) -> Result<(Vec<(String, String)>, Bytes)> {
        let mut headers = Vec::new();
        for header in &self.headers {
            let (name, value) = header
                .split_once(':')
                .ok_or_else(|| Error::usage(format!("`{header}` is not of the form NAME:VALUE")))?;
            headers.push((name.trim().to_lowercase(), value.trim().to_owned()));
        }
        headers.extend(self.idempotency_key.iter().map(|key| ("idempotency-key".to_owned(), key.clone())));
        let body = self.body.as_deref().map(read_body).transpose()?.unwrap_or_default();
        if !body.is_empty() {
            headers.push(("content-type".to_owned(), self.content_type.clone()));
        }
        Ok((headers, body))
    }
}

/// A body as it is typed: itself, `@FILE`, or `-` for stdin.
pub fn read_body(body: &str) -> Result<Bytes> {
    if body == "-" {
        let mut bytes = Vec::new();
        std::io::stdin()
            .read_to_end(&mut bytes)
            .map_err(|error| Error::new(Exit::Failed, "cannot read stdin").because(&error))?;
        return Ok(bytes.into());
    }
    match body.strip_prefix('@') {
        Some(path) => std::fs::read(path)
            .map(Bytes::from)
            .map_err(|error| Error::new(Exit::NotFound, format!("cannot read `{path}`")).because(&error)),
        None => Ok(Bytes::from(body.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(body: Option<&str>, headers: &[&str]) -> Call {
        Call {
            target: "Greeter/greet".parse().expect("a target"),
            body: body.map(str::to_owned),
            idempotency_key: None,
            headers: headers.iter().map(|text| (*text).to_owned()).collect(),
            content_type: "application/json".to_owned(),
        }
    }

    #[test]
    fn an_input_has_a_content_type() {
        let (headers, body) = call(Some("1"), &["X-A: b"]).parts().expect("valid");
        assert_eq!(body, "1");
        assert_eq!(
            headers,
            [("x-a".to_owned(), "b".to_owned()), ("content-type".to_owned(), "application/json".to_owned())]
        );
        assert_eq!(call(None, &[]).parts().expect("valid").0, []);
    }

    #[test]
    fn wrong_headers_and_missing_files_are_refused() {
        assert_eq!(call(None, &["nothing"]).parts().expect_err("no colon").exit, Exit::Usage);
        assert_eq!(call(Some("@no/such"), &[]).parts().expect_err("no file").exit, Exit::NotFound);
    }
}
