//! Resolving and rejecting awakeables.

use hyper::{StatusCode, body::Incoming, http::request::Parts};
use relight_core::{Answer, AwakeableId, Command, Failure, action::Refusal};
use relight_http::body::collect;

use crate::{
    Ingress,
    door::Repeat,
    reply::{Rejection, Reply},
    route::Resolution,
};

/// Code of the failure that a rejected awakeable gives to its handler.
const REJECTED: u16 = 500;

impl Ingress {
    pub(crate) async fn awakeable(
        &self,
        parts: &Parts,
        body: Incoming,
        id: AwakeableId,
        resolution: Resolution,
    ) -> Result<Reply, Rejection> {
        let body = collect(body, &parts.headers, self.inner.options.body).await?;
        let outcome = match resolution {
            Resolution::Resolve => Ok(body),
            Resolution::Reject if body.is_empty() => Err(Failure::new(REJECTED, "rejected")),
            Resolution::Reject => {
                let reason = String::from_utf8(body.into())
                    .map_err(|_| Rejection::Bad("the reason of a rejection must be UTF-8".to_owned()))?;
                Err(Failure::new(REJECTED, reason))
            }
        };
        let command = Command::ResolveAwakeable { request: self.request_id(), id, outcome };
        let partition = self.inner.partitions.of(id.invocation.key);
        let resolved = self.persist(Repeat::Harmless, || partition.command(command.clone()));
        match self.until_closing(Repeat::Harmless, resolved).await? {
            // The first result wins; a later one, or one that nobody waits for any more, is accepted and ignored.
            Answer::Resolved | Answer::Refused(Refusal::AlreadyCompleted(_)) => {
                Ok(Reply::json(StatusCode::ACCEPTED, None, &serde_json::Map::new()))
            }
            Answer::Refused(refusal) => Err(refusal.into()),
            other => Err(Rejection::Internal(format!("an awakeable was answered with {other:?}"))),
        }
    }
}
