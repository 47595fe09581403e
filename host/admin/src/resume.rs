//! Resuming, also on another deployment: nothing moves unless its journal has been replayed there without a difference.

use std::sync::Arc;

use hyper::StatusCode;
use relight_core::{
    Answer, Command, Deployment, InvocationId,
    action::Refusal,
    command::Onto,
    tables::{Invocation, Status},
};
use relight_executor::{Candidate, Verdict};

use crate::{
    Admin,
    codes::Code,
    detail::unknown,
    door::propose,
    error::{Error, Result},
    route::Verb,
    types::{Divergence, Done},
    verbs::{On, answered},
};

/// Verifications of one invocation whose journal grows under them. A handler that is that busy does not wait.
const VERIFY_TRIES: usize = 5;

impl Admin {
    pub(crate) async fn resume(&self, id: InvocationId, on: On) -> Result<(StatusCode, Done)> {
        let Some(deployment) = self.resumed_on(id, on).await? else {
            return answered(Verb::Resume, id, self.propose_resume(id, None).await?);
        };
        let mut candidate = None;
        for _ in 0..VERIFY_TRIES {
            let onto = self.verified(id, &deployment, &mut candidate).await?;
            match self.propose_resume(id, Some(onto)).await? {
                // It has made progress meanwhile.
                Answer::Refused(Refusal::JournalChanged(_)) => {}
                answer => return answered(Verb::Resume, id, answer),
            }
        }
        let message = format!("invocation `{id}` makes progress faster than its journal can be replayed");
        Err(Error::new(StatusCode::CONFLICT, Code::JournalChanged, message)
            .hint("pause it first: `relight inv pause`"))
    }

    async fn propose_resume(&self, id: InvocationId, onto: Option<Onto>) -> Result<Answer> {
        let partition = self.partition_of(id);
        let command = Command::Resume { request: self.request_id(partition), id, onto };
        propose(partition, &command).await
    }

    /// What `apply` needs to move the invocation. An error when its journal does not fit.
    async fn verified(
        &self,
        id: InvocationId,
        deployment: &Arc<Deployment>,
        candidate: &mut Option<Candidate>,
    ) -> Result<Onto> {
        let onto = |invocation: &Invocation, items| Onto {
            deployment: deployment.id,
            incarnation: invocation.incarnation,
            items,
        };
        let invocation = self.row(id).await?.ok_or_else(|| unknown(id))?;
        if !moves(&invocation, deployment) {
            // Nothing is replayed, and no journal has nothing: should it have something to move by then, `apply` refuses.
            return Ok(onto(&invocation, 0));
        }
        let candidate = match candidate {
            Some(candidate) => candidate,
            None => candidate.insert(self.inner.executor.candidate(Arc::clone(deployment)).await?),
        };
        let mut record = self.record(id).await?.ok_or_else(|| unknown(id))?;
        let onto = onto(&record.invocation, record.invocation.journal.items);
        match self.inner.executor.replay(candidate, record.recorded(), None).await? {
            Verdict::Compatible { .. } => Ok(onto),
            verdict => Err(does_not_fit(id, deployment, verdict)),
        }
    }
}

/// Whether there is something to verify; all else is for `apply` to judge.
fn moves(invocation: &Invocation, deployment: &Deployment) -> bool {
    let started = matches!(
        invocation.status,
        Status::Invoked { .. } | Status::Suspended { .. } | Status::Paused { .. }
    );
    started
        && invocation.deployment != Some(deployment.id)
        && deployment.services.contains(&invocation.target.service)
}

fn does_not_fit(id: InvocationId, deployment: &Deployment, verdict: Verdict) -> Error {
    let (reason, divergence) = match verdict {
        Verdict::Compatible { .. } => unreachable!("the caller has seen that it is something else"),
        Verdict::Diverges(divergence) => (divergence.message.clone(), Some(Divergence::from(divergence))),
        Verdict::Fails { index, message } => (format!("it fails before entry {index}: {message}"), None),
    };
    let message = format!("invocation `{id}` cannot go on with deployment `{}`: {reason}", deployment.id);
    let error = Error::new(StatusCode::CONFLICT, Code::Diverges, message)
        .hint("nothing has changed; `relight check` tells which invocations fit a component");
    Error { divergence: divergence.map(Box::new), ..error }
}
