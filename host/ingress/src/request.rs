//! What a request must look like: who sends it, which headers are kept, whether the body fits the declaration.

use hyper::{
    HeaderMap,
    header::{self, HeaderName},
    http::request::Parts,
};
use relight_core::{Handler, Headers, schema::PayloadDef};
use relight_http::{body::BodyError, serve::header_bytes};

use crate::{reply::Rejection, route::bounded};

/// Who sends a request. The only place that decides it, so that authentication has one place to go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Principal {
    /// Whoever reaches the port; it is bound to the loopback address unless configured otherwise.
    Anonymous,
}

pub(crate) fn principal(_parts: &Parts) -> Result<Principal, Rejection> {
    Ok(Principal::Anonymous)
}

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Belong to one connection, or are told by the body itself.
const HOP_BY_HOP: [&str; 8] =
    ["connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "content-length", "expect"];
/// Secrets do not go into a journal; headers that start with `proxy-` neither.
const SECRET: [&str; 2] = ["authorization", "cookie"];

pub(crate) fn check_headers(headers: &HeaderMap, bytes_max: usize) -> Result<(), Rejection> {
    if header_bytes(headers) <= bytes_max { Ok(()) } else { Err(Rejection::HeadersTooLarge { bytes_max }) }
}

/// The headers that reach the handler and are stored.
pub(crate) fn headers(headers: &HeaderMap) -> Headers {
    // Names that the client itself declares to belong to the connection.
    let connection = |name: &str| {
        let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|token| token.trim().eq_ignore_ascii_case(name))
    };
    let kept = headers.iter().filter_map(|(name, value)| {
        let name = name.as_str();
        let dropped = HOP_BY_HOP.contains(&name)
            || SECRET.contains(&name)
            || name.starts_with("proxy-")
            || connection(name);
        // Headers that are not text cannot be given to a handler as text.
        let value = std::str::from_utf8(value.as_bytes()).ok()?;
        (!dropped).then(|| (name.to_owned(), value.to_owned()))
    });
    kept.collect()
}

pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Rejection> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Rejection::Bad("there is more than one `idempotency-key`".to_owned()));
    }
    match value.to_str() {
        Ok("") => Err(Rejection::Bad("the `idempotency-key` is empty".to_owned())),
        Ok(key) => {
            bounded("idempotency key", key)?;
            Ok(Some(key))
        }
        Err(_) => Err(Rejection::Bad("the `idempotency-key` must be visible ASCII".to_owned())),
    }
}

/// Whether the content type is one that the handler declares. A request without one is taken to have the right one.
pub(crate) fn check_content_type(handler: &Handler, headers: &HeaderMap) -> Result<(), Rejection> {
    let (Some(declared), Some(got)) = (&handler.input.content_type, headers.get(header::CONTENT_TYPE)) else {
        return Ok(());
    };
    let got = String::from_utf8_lossy(got.as_bytes());
    if accepts(declared, &got) {
        Ok(())
    } else {
        Err(Rejection::ContentType { got: got.into_owned(), declared: declared.clone() })
    }
}

/// Compares type and subtype; `declared` may have `*` for either. Parameters such as a charset do not count.
fn accepts(declared: &str, got: &str) -> bool {
    let essence = |text: &'_ str| text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let (declared, got) = (essence(declared), essence(got));
    let (Some((d_type, d_sub)), Some((g_type, g_sub))) = (declared.split_once('/'), got.split_once('/'))
    else {
        return declared == got;
    };
    (d_type == "*" || d_type == g_type) && (d_sub == "*" || d_sub == g_sub)
}

/// Whether the body is as its handler declares it. The schema is for people and clients; here the body only has to be
/// JSON when there is one.
pub(crate) fn check_body(declared: &PayloadDef, body: &[u8]) -> Result<(), Rejection> {
    if body.is_empty() {
        return if declared.required {
            Err(Rejection::Bad("the handler takes a body and there is none".to_owned()))
        } else {
            Ok(())
        };
    }
    if declared.json_schema.is_some() {
        serde_json::from_slice::<serde::de::IgnoredAny>(body)
            .map_err(|error| Rejection::Bad(format!("the body is not JSON: {error}")))?;
    }
    Ok(())
}

impl From<BodyError> for Rejection {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge { max } => Self::TooLarge { bytes_max: max },
            BodyError::TooSlow => Self::TooSlow,
            BodyError::Broken(source) => Self::Bad(format!("the body ended early: {source}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;
    use relight_core::limits::NAME_BYTES_MAX;

    use super::*;
    use crate::route::RouteError;

    fn map(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
            })
            .collect()
    }

    #[test]
    fn secrets_and_headers_of_the_connection_are_dropped() {
        let kept = headers(&map(&[
            ("authorization", "Bearer x"),
            ("cookie", "a=b"),
            ("proxy-authorization", "x"),
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("te", "trailers"),
            ("content-length", "3"),
            ("content-type", "text/plain"),
            ("traceparent", "00-1"),
            ("x-name", "é"),
        ]));
        let expected = [("content-type", "text/plain"), ("traceparent", "00-1"), ("x-name", "é")];
        assert_eq!(kept, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn large_headers_are_refused() {
        let large = "x".repeat(100);
        let expected = Rejection::HeadersTooLarge { bytes_max: 100 };
        assert_eq!(check_headers(&map(&[("x-a", &large)]), 100), Err(expected));
        assert_eq!(check_headers(&map(&[("x-a", &large[3..])]), 100), Ok(()));
    }

    #[test]
    fn an_idempotency_key_is_one_text_that_is_not_empty() {
        assert_eq!(idempotency_key(&map(&[])), Ok(None));
        assert_eq!(idempotency_key(&map(&[("idempotency-key", "a b")])), Ok(Some("a b")));
        assert!(idempotency_key(&map(&[("idempotency-key", "")])).is_err());
        assert!(idempotency_key(&map(&[("idempotency-key", "é")])).is_err());
        let long = "k".repeat(NAME_BYTES_MAX + 1);
        assert!(idempotency_key(&map(&[("idempotency-key", &long[1..])])).is_ok());
        let expected =
            Rejection::Route(RouteError::Bad("the idempotency key is longer than 1024 bytes".to_owned()));
        assert_eq!(idempotency_key(&map(&[("idempotency-key", &long)])), Err(expected));
        let mut two = map(&[("idempotency-key", "a")]);
        two.append(IDEMPOTENCY_KEY, HeaderValue::from_static("b"));
        assert!(idempotency_key(&two).is_err());
    }

    #[test]
    fn content_types_match_by_essence() {
        for (declared, got, expected) in [
            ("application/json", "application/json", true),
            ("application/json", "Application/JSON; charset=utf-8", true),
            ("application/json", "text/plain", false),
            ("application/json", "", false),
            ("application/*", "application/cbor", true),
            ("application/*", "text/cbor", false),
            ("*/*", "a/b", true),
        ] {
            assert_eq!(accepts(declared, got), expected, "{declared} {got}");
        }
    }

    #[test]
    fn bodies_are_checked_against_their_declaration() {
        let any = PayloadDef::default();
        let required = PayloadDef { required: true, ..any.clone() };
        let json = PayloadDef { json_schema: Some("{}".to_owned()), ..any.clone() };
        for (declared, body, fits) in [
            (&any, "", true),
            (&any, "{", true),
            (&required, "", false),
            (&required, "x", true),
            (&json, "", true),
            (&json, "{\"a\":1}", true),
            (&json, "{", false),
        ] {
            assert_eq!(check_body(declared, body.as_bytes()).is_ok(), fits, "{declared:?} {body}");
        }
    }
}
