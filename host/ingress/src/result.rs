//! Results of invocations that exist already: attach, output, lookup.

use std::sync::Arc;

use hyper::{StatusCode, body::Incoming, http::request::Parts};
use relight_core::{
    InvocationId, Outcome, Target, Timestamp, placement,
    tables::{ReadTables, ReadTablesExt as _, Status, TablesError},
};
use relight_http::body::collect;
use serde::{Deserialize, Serialize};

use crate::{
    Ingress,
    door::Repeat,
    reply::{Rejection, Reply},
    route::{ByBody, Reference, Wait, bounded},
};

/// The JSON body that names an invocation.
#[derive(Deserialize)]
#[serde(tag = "target", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum TargetBody {
    Invocation { invocation_id: String },
    Workflow { workflow_name: String, workflow_key: String },
    IdempotentInvocation { service: String, key: Option<String>, handler: String, idempotency_key: String },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    invocation_id: String,
}

/// What the row of an invocation says about its result.
struct Peek {
    target: Target,
    finished: Option<(Outcome, Timestamp)>,
}

impl Ingress {
    pub(crate) async fn by_body(
        &self,
        parts: &Parts,
        body: Incoming,
        verb: ByBody,
    ) -> Result<Reply, Rejection> {
        let body = collect(body, &parts.headers, self.inner.options.body).await?;
        let reference = parse(&body)?;
        match verb {
            ByBody::Result(wait) => self.result(wait, &reference).await,
            ByBody::Lookup => {
                let id = reference.id();
                let found = Found { invocation_id: id.to_string() };
                Ok(Reply::json(StatusCode::OK, Some(id), &found))
            }
        }
    }

    pub(crate) async fn result(&self, wait: Wait, reference: &Reference<'_>) -> Result<Reply, Rejection> {
        let id = reference.id();
        match wait {
            Wait::Attach => self.attach(id).await,
            Wait::Output => self.output(id).await,
        }
    }

    async fn attach(&self, id: InvocationId) -> Result<Reply, Rejection> {
        let partition = self.inner.partitions.of(id.key);
        let finished = self.persist(Repeat::Harmless, || partition.attach(id));
        let finished = self.until_closing(Repeat::Harmless, finished).await?.ok_or_else(|| unknown(id))?;
        // Only for the content type; the row may be gone by now.
        let content_type = match self.peek(id).await? {
            Some(peek) => self.content_type(&peek.target),
            None => None,
        };
        let reply = Reply::outcome(id, finished.outcome, content_type.as_deref());
        Ok(Reply { expires_at: finished.expires_at, ..reply })
    }

    async fn output(&self, id: InvocationId) -> Result<Reply, Rejection> {
        let peek = self.peek(id).await?.ok_or_else(|| unknown(id))?;
        let (outcome, expires_at) = peek.finished.ok_or(Rejection::NotCompleted(id))?;
        let content_type = self.content_type(&peek.target);
        let reply = Reply::outcome(id, outcome, content_type.as_deref());
        Ok(Reply { expires_at: Some(expires_at), ..reply })
    }

    async fn peek(&self, id: InvocationId) -> Result<Option<Peek>, Rejection> {
        let partition = self.inner.partitions.of(id.key);
        let peek = self.persist(Repeat::Harmless, || partition.read(move |tables| peek(tables, id))).await?;
        peek.map_err(|error| Rejection::Internal(error.to_string()))
    }

    fn content_type(&self, target: &Target) -> Option<Arc<str>> {
        let schema = self.schema();
        let handler = schema.services.get(&target.service)?.handler(&target.handler)?;
        handler.output.content_type.as_deref().map(Into::into)
    }
}

fn peek(tables: &dyn ReadTables, id: InvocationId) -> Result<Option<Peek>, TablesError> {
    let invocation = tables.invocation(id)?;
    Ok(invocation.map(|invocation| Peek {
        target: invocation.target,
        finished: match invocation.status {
            Status::Completed { outcome, expires_at, .. } => Some((outcome, expires_at)),
            _ => None,
        },
    }))
}

fn unknown(id: InvocationId) -> Rejection {
    Rejection::NotFound(format!("unknown invocation `{id}`"))
}

impl Reference<'_> {
    fn id(&self) -> InvocationId {
        match self {
            Self::Id(id) => *id,
            Self::Idempotent { service, key, handler, idempotency_key } => {
                let target = Target {
                    service: (&**service).into(),
                    key: key.as_deref().map(Into::into),
                    handler: (&**handler).into(),
                };
                placement::idempotent_id(&target, idempotency_key)
            }
            Self::Workflow { service, key } => placement::workflow_id(service, key),
        }
    }
}

fn parse(body: &[u8]) -> Result<Reference<'static>, Rejection> {
    let target = serde_json::from_slice(body)
        .map_err(|error| Rejection::Bad(format!("the body does not name an invocation: {error}")))?;
    match target {
        TargetBody::Invocation { invocation_id } => {
            let id = invocation_id.parse().map_err(|error| Rejection::Bad(format!("bad id: {error}")))?;
            Ok(Reference::Id(id))
        }
        TargetBody::Workflow { workflow_name, workflow_key } => {
            bounded("workflowKey", &workflow_key)?;
            Ok(Reference::Workflow { service: workflow_name.into(), key: workflow_key.into() })
        }
        TargetBody::IdempotentInvocation { service, key, handler, idempotency_key } => {
            bounded("key", key.as_deref().unwrap_or_default())?;
            bounded("idempotencyKey", &idempotency_key)?;
            Ok(Reference::Idempotent {
                service: service.into(),
                key: key.map(Into::into),
                handler: handler.into(),
                idempotency_key: idempotency_key.into(),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use relight_core::{ids::PartitionKey, limits::NAME_BYTES_MAX};
    use serde_json::json;

    use super::*;
    use crate::route::RouteError;

    #[test]
    fn targets_are_read_from_json() {
        let id = InvocationId { key: PartitionKey(7), unique: 9 };
        let body = format!(r#"{{"target":"invocation","invocationId":"{id}"}}"#);
        assert_eq!(parse(body.as_bytes()), Ok(Reference::Id(id)));

        let body = br#"{"target":"idempotentInvocation","service":"S","handler":"h","idempotencyKey":"i"}"#;
        let target = Target { service: "S".into(), key: None, handler: "h".into() };
        let reference = parse(body).expect("a target");
        assert_eq!(reference.id(), placement::idempotent_id(&target, "i"));

        let body = br#"{"target":"idempotentInvocation","service":"S","key":"k","handler":"h","idempotencyKey":"i"}"#;
        let target = Target { key: Some("k".into()), ..target };
        assert_eq!(parse(body).expect("a target").id(), placement::idempotent_id(&target, "i"));

        let body = br#"{"target":"workflow","workflowName":"W","workflowKey":"k"}"#;
        assert_eq!(parse(body).expect("a target").id(), placement::workflow_id("W", "k"));
    }

    #[test]
    fn other_bodies_are_bad() {
        for (body, words) in [
            ("", "does not name an invocation"),
            ("{}", "target"),
            (r#"{"target":"nothing"}"#, "nothing"),
            (r#"{"target":"invocation"}"#, "invocationId"),
            (r#"{"target":"invocation","invocationId":"inv_1"}"#, "bad id"),
            (r#"{"target":"workflow","workflowName":"W"}"#, "workflowKey"),
        ] {
            let Err(Rejection::Bad(message)) = parse(body.as_bytes()) else { panic!("{body} is accepted") };
            assert!(message.contains(words), "{message}");
        }
    }

    #[test]
    fn names_in_bodies_are_bounded() {
        let long = "k".repeat(NAME_BYTES_MAX + 1);
        let short = &long[1..];
        for (body, what) in [
            (json!({"target": "workflow", "workflowName": "W", "workflowKey": long}), "workflowKey"),
            (idempotent(&long, short), "key"),
            (idempotent(short, &long), "idempotencyKey"),
        ] {
            let expected = format!("the {what} is longer than {NAME_BYTES_MAX} bytes");
            let expected = Rejection::Route(RouteError::Bad(expected));
            assert_eq!(parse(body.to_string().as_bytes()), Err(expected));
        }
        assert!(parse(idempotent(short, short).to_string().as_bytes()).is_ok());
    }

    fn idempotent(key: &str, idempotency_key: &str) -> serde_json::Value {
        json!({
            "target": "idempotentInvocation", "service": "S", "handler": "h",
            "key": key, "idempotencyKey": idempotency_key
        })
    }
}
