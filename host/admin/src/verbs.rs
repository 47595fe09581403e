//! What operators do to invocations: cancel, kill, pause, resume, restart, purge; one by one and in batches.

use std::sync::Arc;

use hyper::{StatusCode, body::Incoming, http::request::Parts};
use relight_core::{
    Answer, Command, Deployment, DeploymentId, EntryIndex, InvocationId,
    action::Refusal,
    command::{Purge, RestartOn},
    tables::ReadTablesExt as _,
};
use relight_http::path::parameters;
use tokio::task::JoinSet;

use crate::{
    Admin,
    codes::Code,
    detail::unknown,
    door::propose,
    error::{Error, Result},
    invocations::{Filter, LIMIT_MAX},
    route::Verb,
    types::{Batch, BatchDone, BatchFailure, Done},
};

/// Commands of one batch in flight: enough to share log appends, few enough to leave room for others.
const BATCH_COMMANDS_MAX: usize = 64;
/// `LIMIT_MAX` ids take about 42 KiB.
const BATCH_BYTES_MAX: usize = 128 << 10;

/// The deployment on which an invocation goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum On {
    Keep,
    /// The one that new invocations of its service use.
    Latest,
    Deployment(DeploymentId),
}

/// What the query of a verb says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Choice {
    on: On,
    /// The last operation that a restart takes over.
    from: EntryIndex,
}

impl Choice {
    /// `deployment` of `resume` and `restart-as-new`, `from` of the latter; other verbs take no parameters.
    pub(crate) fn parse(verb: Verb, query: Option<&str>) -> Result<Self> {
        let restarts = verb == Verb::RestartAsNew;
        let on = if restarts { On::Latest } else { On::Keep };
        let mut choice = Self { on, from: EntryIndex::ZERO };
        for parameter in parameters(query) {
            let bad = |message: String| Error::bad(Code::BadRequest, message);
            let (name, value) = parameter.ok_or_else(|| bad("the query is not well encoded".to_owned()))?;
            match name.as_str() {
                "deployment" if restarts || verb == Verb::Resume => choice.on = On::parse(&value)?,
                "from" if restarts => {
                    let from = value.parse().map_err(|_| {
                        bad(format!("`from` is the index of an operation, not `{value}`"))
                            .hint("`relight inv journal` shows the indexes")
                    })?;
                    choice.from = EntryIndex(from);
                }
                _ => return Err(bad(format!("unknown parameter `{name}`"))),
            }
        }
        Ok(choice)
    }
}

impl On {
    fn parse(value: &str) -> Result<Self> {
        match value {
            "keep" => Ok(Self::Keep),
            "latest" => Ok(Self::Latest),
            id => id.parse().map(Self::Deployment).map_err(|_| {
                let message = format!("`deployment` is keep, latest or an id such as dp_1…, not `{id}`");
                Error::bad(Code::BadRequest, message)
            }),
        }
    }
}

impl Verb {
    /// Statuses that it changes something in.
    fn statuses(self) -> &'static [&'static str] {
        match self {
            Self::Cancel | Self::Kill => {
                &["scheduled", "pending", "running", "backing-off", "suspended", "paused"]
            }
            Self::Pause => &["running", "backing-off", "suspended"],
            Self::Resume => &["backing-off", "suspended", "paused"],
            Self::Purge | Self::PurgeJournal | Self::RestartAsNew => &["completed"],
        }
    }
}

impl Admin {
    pub(crate) async fn act(
        &self,
        verb: Verb,
        id: InvocationId,
        Choice { on, from }: Choice,
    ) -> Result<(StatusCode, Done)> {
        if verb == Verb::Resume {
            return self.resume(id, on).await;
        }
        let partition = self.partition_of(id);
        let request = self.request_id(partition);
        let command = match verb {
            Verb::Cancel => Command::Cancel { request, id },
            Verb::Kill => Command::Kill { request, id },
            Verb::Pause => Command::Pause { request, id },
            Verb::Resume => Command::Resume { request, id, onto: None },
            Verb::Purge => Command::Purge { request, id, what: Purge::Invocation },
            Verb::PurgeJournal => Command::Purge { request, id, what: Purge::Journal },
            Verb::RestartAsNew => {
                // 48 bits of time before 80 random ones, as the ingress makes them: ids of one key sort by age.
                let unique = (u128::from(self.now().0) << 80) | (rand::random::<u128>() >> 48);
                let new = InvocationId { key: id.key, unique };
                Command::RestartAsNew { request, id, new, from, on: self.restarted_on(on)? }
            }
        };
        answered(verb, id, propose(partition, &command).await?)
    }

    /// `apply` finds those without an id itself, at the moment of the restart.
    fn restarted_on(&self, on: On) -> Result<RestartOn> {
        Ok(match on {
            On::Keep => RestartOn::Keep,
            On::Latest => RestartOn::Latest,
            On::Deployment(deployment) => RestartOn::Deployment(self.find_deployment(deployment)?.id),
        })
    }

    /// `None`: the one that it is pinned to.
    pub(crate) async fn resumed_on(&self, id: InvocationId, on: On) -> Result<Option<Arc<Deployment>>> {
        Ok(Some(match on {
            On::Keep => return Ok(None),
            On::Deployment(deployment) => self.find_deployment(deployment)?,
            On::Latest => {
                let read = move |tables: &dyn relight_core::tables::ReadTables| tables.invocation(id);
                let invocation = self.partition_of(id).read(read).await??.ok_or_else(|| unknown(id))?;
                self.find_deployment(self.service(&invocation.target.service)?.deployment)?
            }
        }))
    }

    pub(crate) async fn batch(&self, verb: Verb, parts: &Parts, body: Incoming) -> Result<BatchDone> {
        let choice = Choice::parse(verb, parts.uri.query())?;
        if let On::Deployment(deployment) = choice.on {
            self.find_deployment(deployment)?;
        }
        let body = self.body(parts, body, BATCH_BYTES_MAX).await?;
        let Selected { ids, next } = self.selected(verb, parse(&body)?).await?;
        let mut finished = Vec::with_capacity(ids.len());
        let mut ids = ids.into_iter().enumerate();
        let mut running: JoinSet<(usize, InvocationId, Result<Done>)> = JoinSet::new();
        loop {
            while running.len() < BATCH_COMMANDS_MAX
                && let Some((place, id)) = ids.next()
            {
                let admin = self.clone();
                running.spawn(async move {
                    let done = admin.act(verb, id, choice).await.map(|(_, done)| done);
                    (place, id, done)
                });
            }
            match running.join_next().await {
                Some(one) => {
                    finished.push(one.map_err(|_| Error::internal("a command of the batch panicked"))?)
                }
                None => break,
            }
        }
        finished.sort_unstable_by_key(|(place, ..)| *place);
        let mut done = BatchDone { succeeded: Vec::new(), failed: Vec::new(), next };
        for (_, id, one) in finished {
            match one {
                Ok(one) => done.succeeded.push(one),
                Err(error) => done.failed.push(failure(id, error)),
            }
        }
        Ok(done)
    }

    async fn selected(&self, verb: Verb, batch: Batch) -> Result<Selected> {
        match batch {
            Batch { ids: Some(ids), filter: None } => {
                if ids.len() > LIMIT_MAX {
                    return Err(Error::bad(
                        Code::BadBatch,
                        format!("{} ids, but at most {LIMIT_MAX}", ids.len()),
                    ));
                }
                let parse = |id: &String| {
                    id.parse().map_err(|error: relight_core::ParseIdError| {
                        Error::bad(Code::BadInvocationId, error.to_string())
                    })
                };
                Ok(Selected { ids: ids.iter().map(parse).collect::<Result<_>>()?, next: None })
            }
            Batch { ids: None, filter: Some(filter) } => {
                if filter.is_empty() {
                    return Err(Error::bad(Code::BadBatch, "the filter is empty")
                        .hint("`{\"status\": …}` selects the invocations of every service"));
                }
                let filter = Filter::of_batch(filter, verb.statuses(), self.now())?;
                let found = self.invocations(filter).await?;
                let id = |text: &str| {
                    text.parse().map_err(|_| Error::internal(format!("a list gave `{text}` as an id")))
                };
                let ids = found.invocations.iter().map(|one| id(&one.id)).collect::<Result<_>>()?;
                Ok(Selected { ids, next: found.next })
            }
            Batch { ids: Some(_), filter: Some(_) } | Batch { ids: None, filter: None } => {
                Err(Error::bad(Code::BadBatch, "the body must have either `ids` or `filter`"))
            }
        }
    }
}

/// What an answer of `apply` means to whoever asked for it.
pub(crate) fn answered(verb: Verb, id: InvocationId, answer: Answer) -> Result<(StatusCode, Done)> {
    let mut new_invocation_id = None;
    let (status, text) = match answer {
        Answer::Ended => (StatusCode::OK, "ended"),
        Answer::Ending => (StatusCode::ACCEPTED, "ending"),
        Answer::Paused { already: false } => (StatusCode::ACCEPTED, "pausing"),
        Answer::Paused { already: true } => (StatusCode::OK, "paused"),
        Answer::Resumed => (StatusCode::OK, "resumed"),
        Answer::Purged => (StatusCode::OK, "purged"),
        Answer::RestartedAsNew { id: new } => {
            new_invocation_id = Some(new.to_string());
            (StatusCode::OK, "restarted")
        }
        Answer::Refused(refusal) => return Err(refused(verb, refusal)),
        other => return Err(Error::internal(format!("{verb:?} was answered with {other:?}"))),
    };
    Ok((status, Done { id: id.to_string(), status: text.to_owned(), new_invocation_id }))
}

/// What a batch is applied to.
struct Selected {
    ids: Vec<InvocationId>,
    next: Option<String>,
}

fn parse(body: &[u8]) -> Result<Batch> {
    serde_json::from_slice(body)
        .map_err(|error| Error::bad(Code::BadBatch, format!("the body is not a batch: {error}")))
}

/// One that has not started may be resumed or restarted later, but not paused: the verb decides the status.
fn refused(verb: Verb, refusal: Refusal) -> Error {
    let early =
        matches!(verb, Verb::Resume | Verb::RestartAsNew) && matches!(refusal, Refusal::NotStarted(_));
    let error = Error::from(refusal);
    if early { Error { status: StatusCode::TOO_EARLY, ..error } } else { error }
}

fn failure(id: InvocationId, error: Error) -> BatchFailure {
    BatchFailure { id: id.to_string(), status: error.status.as_u16(), error: error.body() }
}

#[cfg(test)]
mod tests {
    use relight_core::restart::NotRestartable;

    use super::*;
    use crate::samples;

    #[test]
    fn a_query_says_where_to_go_on_and_from_what() {
        let id = DeploymentId(3);
        let choice = |on, from| Choice { on, from: EntryIndex(from) };
        for (verb, query, expected) in [
            (Verb::RestartAsNew, None, choice(On::Latest, 0)),
            (Verb::RestartAsNew, Some("from=7&deployment=keep"), choice(On::Keep, 7)),
            (Verb::Kill, None, choice(On::Keep, 0)),
        ] {
            assert_eq!(Choice::parse(verb, query), Ok(expected), "{query:?}");
        }
        for (query, expected) in [
            (None, On::Keep),
            (Some("deployment=keep"), On::Keep),
            (Some("deployment=latest"), On::Latest),
            (Some(&*format!("deployment={id}")), On::Deployment(id)),
        ] {
            assert_eq!(Choice::parse(Verb::Resume, query), Ok(choice(expected, 0)), "{query:?}");
        }
        for (verb, query) in [
            (Verb::Resume, "deployment=newest"),
            (Verb::Resume, "on=latest"),
            (Verb::Pause, "deployment=keep"),
            (Verb::Resume, "deployment=%"),
            (Verb::Resume, "from=1"),
            (Verb::RestartAsNew, "from=-1"),
            (Verb::RestartAsNew, "from="),
        ] {
            let error = Choice::parse(verb, Some(query)).expect_err(query);
            assert_eq!((error.status.as_u16(), error.code), (400, "RL0001"));
        }
    }

    #[test]
    fn refusals_have_the_status_of_their_verb() {
        let id = samples::ID;
        let not_restartable = |why| Refusal::NotRestartable { id, why };
        for (verb, refusal, status, code) in [
            (Verb::Pause, Refusal::NotStarted(id), 409, "RL0305"),
            (Verb::Resume, Refusal::NotStarted(id), 425, "RL0305"),
            (Verb::Resume, Refusal::UnknownDeployment(DeploymentId(3)), 409, "RL0307"),
            (Verb::Resume, Refusal::AlreadyCompleted(id), 409, "RL0303"),
            (Verb::Purge, Refusal::NotCompleted(id), 409, "RL0306"),
            (Verb::RestartAsNew, Refusal::NotStarted(id), 425, "RL0305"),
            (Verb::RestartAsNew, Refusal::NotCompleted(id), 409, "RL0306"),
            (Verb::RestartAsNew, not_restartable(NotRestartable::Workflow), 422, "RL0309"),
            (Verb::RestartAsNew, not_restartable(NotRestartable::JournalGone), 410, "RL0322"),
            (Verb::RestartAsNew, Refusal::RequestExpired, 503, "RL0011"),
            (Verb::PurgeJournal, Refusal::NotCompleted(id), 409, "RL0306"),
            (Verb::Purge, Refusal::UnknownInvocation(id), 404, "RL0302"),
        ] {
            let error = refused(verb, refusal);
            assert_eq!((error.status.as_u16(), error.code), (status, code), "{verb:?}");
        }
    }

    #[test]
    fn a_batch_is_ids_or_a_filter() {
        let batch = parse(br#"{"filter": {"service": "Cart"}}"#).expect("a batch");
        assert_eq!(batch.filter.expect("a filter")["service"], "Cart");
        for body in ["", "7", r#"{"id": []}"#, r#"{"ids": "x"}"#, r#"{"filter": {"limit": 1}}"#] {
            assert_eq!(parse(body.as_bytes()).expect_err(body).code, "RL0308");
        }
    }
}
