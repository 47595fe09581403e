//! Calls and sends.

use std::sync::Arc;

use hyper::{
    StatusCode,
    body::{Body as _, Incoming},
    http::request::Parts,
};
use relight_core::{
    Answer, Command, DurationMs, Handler, HandlerMode, InvocationId, Service, Target, Timestamp,
    command::{NewInvocation, Origin},
    ids::PartitionKey,
    placement,
};
use relight_http::{body::collect, time::format_instant};
use relight_partition::{Called, Schema};
use serde::Serialize;

use crate::{
    Ingress,
    door::Repeat,
    reply::{Rejection, Reply},
    request,
    route::{Invoke, InvokeMode},
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    invocation_id: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    execution_time: Option<String>,
}

impl Ingress {
    pub(crate) async fn invoke(
        &self,
        parts: &Parts,
        body: Incoming,
        schema: &Schema,
        route: Invoke<'_>,
    ) -> Result<Reply, Rejection> {
        let (service, handler) = find(schema, &route)?;
        let runs_once = handler.mode == HandlerMode::Workflow;
        let idempotency_key = request::idempotency_key(&parts.headers)?;
        if runs_once && idempotency_key.is_some() {
            return Err(Rejection::Bad(format!(
                "`{}` of workflow `{}` runs once per key: it takes no `idempotency-key`",
                handler.name, service.name
            )));
        }
        let headers = request::headers(&parts.headers);
        if !body.is_end_stream() {
            request::check_content_type(handler, &parts.headers)?;
        }
        let input = collect(body, &parts.headers, self.inner.options.body).await?;
        request::check_body(&handler.input, &input)?;

        let target = Target {
            service: Arc::clone(&service.name),
            key: route.key.map(Into::into),
            handler: Arc::clone(&handler.name),
        };
        let due = match route.mode {
            InvokeMode::Send { delay: Some(delay) } => {
                let delay = u64::try_from(delay.as_millis()).expect("parsed from whole milliseconds");
                Some(self.now().after(DurationMs(delay)))
            }
            InvokeMode::Send { delay: None } | InvokeMode::Call => None,
        };
        let id = match target.object() {
            Some(object) if runs_once => placement::workflow_id(&object.service, &object.key),
            _ => self.new_id(&target, idempotency_key),
        };
        let repeat = match idempotency_key {
            Some(_) => Repeat::Harmless,
            None if runs_once => Repeat::Once(id),
            None => Repeat::Again(id),
        };
        let idempotency_key = idempotency_key.map(str::to_owned);
        let origin = Origin::Ingress;
        let invocation = NewInvocation { id, target, input, headers, idempotency_key, due, origin };
        let command = Command::Invoke { request: self.request_id(id.key), invocation };
        match route.mode {
            InvokeMode::Call if runs_once => self.run(command, repeat, handler).await,
            InvokeMode::Call => self.call(id, command, repeat, handler).await,
            InvokeMode::Send { .. } => self.send(id, command, repeat).await,
        }
    }

    async fn call(
        &self,
        id: InvocationId,
        command: Command,
        repeat: Repeat,
        handler: &Handler,
    ) -> Result<Reply, Rejection> {
        let partition = self.inner.partitions.of(id.key);
        let called = self.persist(repeat, || partition.call(command.clone()));
        match self.until_closing(repeat, called).await? {
            Called::Refused(refusal) => Err(refusal.into()),
            Called::Known(id) => Err(Rejection::Internal(format!("a call was refused for `{id}`"))),
            Called::Finished { id, previously, outcome, expires_at } => {
                let reply = Reply::outcome(id, outcome, handler.output.content_type.as_deref());
                Ok(Reply { expires_at: expires_at.filter(|_| previously), ..reply })
            }
        }
    }

    /// Calls the run of a workflow. One that exists already is a conflict, and that is said before it has ended.
    async fn run(&self, command: Command, repeat: Repeat, handler: &Handler) -> Result<Reply, Rejection> {
        let Command::Invoke { invocation, .. } = &command else {
            return Err(Rejection::Internal("a run is called by another command".to_owned()));
        };
        let partition = self.inner.partitions.of(invocation.id.key);
        let called = self.persist(repeat, || partition.call_new(command.clone()));
        match self.until_closing(repeat, called).await? {
            Called::Refused(refusal) => Err(refusal.into()),
            Called::Known(id) => Err(has_run(id)),
            Called::Finished { id, outcome, .. } => {
                Ok(Reply::outcome(id, outcome, handler.output.content_type.as_deref()))
            }
        }
    }

    async fn send(&self, id: InvocationId, command: Command, repeat: Repeat) -> Result<Reply, Rejection> {
        let partition = self.inner.partitions.of(id.key);
        let sent = self.persist(repeat, || partition.command(command.clone()));
        match self.until_closing(repeat, sent).await? {
            Answer::Accepted { id, previously, due } => {
                let sent = Sent {
                    invocation_id: id.to_string(),
                    status: if previously { "PreviouslyAccepted" } else { "Accepted" },
                    execution_time: due.map(|Timestamp(due)| format_instant(due)),
                };
                Ok(Reply::json(StatusCode::ACCEPTED, Some(id), &sent))
            }
            Answer::Refused(refusal) => Err(refusal.into()),
            other => Err(unexpected(&other)),
        }
    }

    /// Fixed by the idempotency key, else new. Keys fix the place; what has none goes anywhere.
    fn new_id(&self, target: &Target, idempotency_key: Option<&str>) -> InvocationId {
        if let Some(idempotency_key) = idempotency_key {
            return placement::idempotent_id(target, idempotency_key);
        }
        let key = placement::placed(target, None).unwrap_or_else(|| PartitionKey(rand::random()));
        // 48 bits of time before 80 random ones: ids of one partition key sort by age.
        let unique = (u128::from(self.now().0) << 80) | (rand::random::<u128>() >> 48);
        InvocationId { key, unique }
    }
}

fn has_run(id: InvocationId) -> Rejection {
    Rejection::Conflict(format!("workflow already run as `{id}`; attach to it for its result"))
}

fn unexpected(answer: &Answer) -> Rejection {
    Rejection::Internal(format!("an invocation was answered with {answer:?}"))
}

fn find<'s>(schema: &'s Schema, route: &Invoke<'_>) -> Result<(&'s Service, &'s Handler), Rejection> {
    let unknown =
        || Rejection::NotFound(format!("unknown handler `{}` of `{}`", route.handler, route.service));
    let service = schema.services.get(&*route.service).ok_or_else(unknown)?;
    let handler = service.handler(&route.handler).ok_or_else(unknown)?;
    if schema.policies(service, handler).public {
        Ok((service, handler))
    } else {
        Err(Rejection::Bad(format!(
            "`{}` of `{}` is private: only other handlers can call it",
            route.handler, route.service
        )))
    }
}
