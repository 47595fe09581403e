//! Values from outside for handlers that wait: awakeables, signals, promises of workflows.

use hyper::{StatusCode, body::Incoming, http::request::Parts};
use relight_core::{
    Answer, AwakeableId, Command, Failure, InvocationId, Outcome, action::Refusal, ids::PartitionKey,
    placement, value::ObjectKey,
};
use relight_http::body::collect;

use crate::{
    Ingress,
    door::Repeat,
    reply::{Rejection, Reply},
    route::Resolution,
};

/// Code of the failure that a rejection gives to its handler.
const REJECTED: u16 = 500;

impl Ingress {
    pub(crate) async fn awakeable(
        &self,
        parts: &Parts,
        body: Incoming,
        id: AwakeableId,
        resolution: Resolution,
    ) -> Result<Reply, Rejection> {
        let outcome = self.outcome(parts, body, resolution).await?;
        let command = Command::ResolveAwakeable { request: self.request_id(id.invocation.key), id, outcome };
        match self.resolve(id.invocation.key, &command, Repeat::Harmless).await {
            // The first result wins; a later one, or one that nobody waits for any more, is accepted and ignored.
            Ok(()) | Err(Unresolved::Refused(Refusal::AlreadyCompleted(_))) => Ok(accepted()),
            Err(unresolved) => Err(unresolved.into()),
        }
    }

    /// Each request is one more value: signals of one name are first in, first out.
    pub(crate) async fn signal(
        &self,
        parts: &Parts,
        body: Incoming,
        to: InvocationId,
        name: &str,
        resolution: Resolution,
    ) -> Result<Reply, Rejection> {
        let outcome = self.outcome(parts, body, resolution).await?;
        let request = self.request_id(to.key);
        let command = Command::SendSignal { request, to, name: name.to_owned(), outcome };
        self.resolve(to.key, &command, Repeat::Another).await?;
        Ok(accepted())
    }

    pub(crate) async fn promise(
        &self,
        parts: &Parts,
        body: Incoming,
        workflow: ObjectKey,
        name: &str,
        resolution: Resolution,
    ) -> Result<Reply, Rejection> {
        let outcome = self.outcome(parts, body, resolution).await?;
        let key = placement::workflow_id(&workflow.service, &workflow.key).key;
        let request = self.request_id(key);
        let command = Command::CompletePromise { request, workflow, name: name.to_owned(), outcome };
        self.resolve(key, &command, Repeat::Harmless).await?;
        Ok(accepted())
    }

    /// The body as a value, or as the reason of a failure.
    async fn outcome(
        &self,
        parts: &Parts,
        body: Incoming,
        resolution: Resolution,
    ) -> Result<Outcome, Rejection> {
        let body = collect(body, &parts.headers, self.inner.options.body).await?;
        match resolution {
            Resolution::Resolve => Ok(Ok(body)),
            Resolution::Reject if body.is_empty() => Ok(Err(Failure::new(REJECTED, "rejected"))),
            Resolution::Reject => {
                let reason = String::from_utf8(body.into())
                    .map_err(|_| Rejection::Bad("the reason of a rejection must be UTF-8".to_owned()))?;
                Ok(Err(Failure::new(REJECTED, reason)))
            }
        }
    }

    async fn resolve(&self, key: PartitionKey, command: &Command, repeat: Repeat) -> Result<(), Unresolved> {
        let partition = self.inner.partitions.of(key);
        let resolved = self.persist(repeat, || partition.command(command.clone()));
        match self.until_closing(repeat, resolved).await.map_err(Unresolved::Rejected)? {
            Answer::Resolved => Ok(()),
            Answer::Refused(refusal) => Err(Unresolved::Refused(refusal)),
            other => {
                let message = format!("a value from outside was answered with {other:?}");
                Err(Unresolved::Rejected(Rejection::Internal(message)))
            }
        }
    }
}

fn accepted() -> Reply {
    Reply::json(StatusCode::ACCEPTED, None, &serde_json::Map::new())
}

/// Why a value did not arrive: `apply` has refused it, or the door gave up.
enum Unresolved {
    Refused(Refusal),
    Rejected(Rejection),
}

impl From<Unresolved> for Rejection {
    fn from(unresolved: Unresolved) -> Self {
        match unresolved {
            Unresolved::Refused(refusal) => refusal.into(),
            Unresolved::Rejected(rejection) => rejection,
        }
    }
}
