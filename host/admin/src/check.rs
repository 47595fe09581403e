//! `POST /deployments/check`: which invocations could go on with a component that is not deployed.
//!
//! Their journals are replayed against it; nothing is stored but its native code, which a later upload finds.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use hyper::{body::Incoming, http::request::Parts};
use relight_core::{
    DeploymentId, InvocationId, PartitionId,
    schema::{HandlerMode, ServiceKind},
    tables::{Invocation, Key, Prefix, ReadTables, Row, Status, TablesError},
    value::Target,
};
use relight_executor::{Candidate, Verdict};
use tokio::task::JoinSet;

use crate::{
    Admin,
    codes::Code,
    config::Config,
    deploy::deployment,
    error::{Error, Result},
    record::RECORDS_MAX,
    types::{COMPATIBLE, CheckReport, CheckedInvocation, DIVERGES, FAILS, ReplayVerdict},
};

/// Checks at once; fewer than uploads, so that they cannot keep all of those waiting.
pub(crate) const CHECKS_MAX: usize = 2;
const _: () = assert!(CHECKS_MAX < crate::deploy::UPLOADS_MAX);
/// Finished invocations of each handler that one page looks at.
const SAMPLE_MAX: usize = 1000;
/// Verdicts and time after which a page ends.
const PAGE_INVOCATIONS_MAX: usize = 1000;
const PAGE_TIME_MAX: Duration = Duration::from_secs(20);
/// Rows that one read looks at: it runs between two batches of a processor, and a row may hold a large result.
const READ_ROWS_MAX: usize = 32;

struct Options {
    config: Config,
    /// Finished invocations of each handler.
    sample: usize,
    /// Those after this one.
    cursor: Option<InvocationId>,
}

impl Options {
    fn parse(query: Option<&str>) -> Result<Self> {
        let (mut sample, mut cursor) = (0, None);
        let config = Config::parse_with(query, |name, value| {
            match name {
                "sample" => {
                    let bad = || format!("`sample` is 0 to {SAMPLE_MAX}, not `{value}`");
                    sample = value
                        .parse()
                        .ok()
                        .filter(|sample| *sample <= SAMPLE_MAX)
                        .ok_or_else(|| Error::bad(Code::BadRequest, bad()))?;
                }
                "cursor" => {
                    let bad = |error: relight_core::ParseIdError| {
                        Error::bad(Code::BadInvocationId, error.to_string())
                    };
                    cursor = Some(value.parse().map_err(bad)?);
                }
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(Self { config, sample, cursor })
    }
}

/// An invocation of one of the component's services.
struct Found {
    id: InvocationId,
    target: Target,
    kind: ServiceKind,
    mode: HandlerMode,
    status: &'static str,
    pinned: Option<DeploymentId>,
    /// Whether its handler may have run.
    has_started: bool,
    is_completed: bool,
}

/// What one read of a few rows gives.
struct Rows {
    found: Vec<Found>,
    count: usize,
    last: Option<InvocationId>,
}

impl Admin {
    pub(crate) async fn check(&self, parts: &Parts, body: Incoming) -> Result<CheckReport> {
        let Options { config, sample, cursor } = Options::parse(parts.uri.query())?;
        let _check = self.inner.checks.acquire().await.expect("the semaphore is never closed");
        let checked = {
            let _upload = self.inner.uploads.acquire().await.expect("the semaphore is never closed");
            let component = self.uploaded(parts, body).await?;
            self.inner.executor.check(component, config.memory_bytes_max).await?
        };
        let id = config.deployment_id(checked.digest);
        let deployment = Arc::new(deployment(&config, id, &checked, self.now()));
        let services: Arc<[Arc<str>]> = deployment.services.clone().into();
        let candidate = self.inner.executor.candidate(deployment).await?;
        let (invocations, next) = self.check_page(&candidate, &services, sample, cursor).await?;
        let count = |name: &str| invocations.iter().filter(|one| one.verdict.verdict == name).count();
        Ok(CheckReport {
            digest: checked.digest.to_string(),
            services: services.iter().map(ToString::to_string).collect(),
            checked: invocations.len(),
            compatible: count(COMPATIBLE),
            diverging: count(DIVERGES),
            failing: count(FAILS),
            next: next.map(|id| id.to_string()),
            invocations,
        })
    }

    /// Verdicts in the order of ids, and where the next page begins.
    async fn check_page(
        &self,
        candidate: &Candidate,
        services: &Arc<[Arc<str>]>,
        sample: usize,
        cursor: Option<InvocationId>,
    ) -> Result<(Vec<CheckedInvocation>, Option<InvocationId>)> {
        let deadline = Instant::now() + PAGE_TIME_MAX;
        let partitioning = self.inner.partitions.partitioning();
        let first = cursor.map_or(PartitionId(0), |id| partitioning.partition(id.key));
        let (mut after, mut next) = (cursor, None);
        let mut replays = Replays::new(self.clone(), candidate.clone());
        let mut sampled: BTreeMap<Target, usize> = BTreeMap::new();
        // Partitions own ranges of ids in order, so this is the order of ids over all of them.
        'page: for partition in partitioning.partitions().filter(|partition| first <= *partition) {
            loop {
                let services = Arc::clone(services);
                let read = move |tables: &dyn ReadTables| scan_rows(tables, &services, after);
                let rows = self.inner.partitions.get(partition).read(read).await??;
                after = rows.last.or(after);
                for found in rows.found {
                    if !found.is_completed || count(&mut sampled, &found.target) <= sample {
                        replays.start(found).await?;
                    }
                }
                if rows.count < READ_ROWS_MAX {
                    break;
                }
                if PAGE_INVOCATIONS_MAX <= replays.started || deadline <= Instant::now() {
                    next = after;
                    break 'page;
                }
            }
        }
        Ok((replays.finish().await?, next))
    }

    /// `None` when it is gone, or its journal is.
    async fn check_one(&self, candidate: &Candidate, found: &Found) -> Result<Option<ReplayVerdict>> {
        if !found.has_started {
            // It has an input and nothing else, and no deployment yet.
            return Ok(Some(match candidate.refuses(&found.target, found.kind, found.mode) {
                Some(divergence) => Verdict::Diverges(divergence).into(),
                None => ReplayVerdict::not_started(),
            }));
        }
        let mut record = match self.record(found.id).await {
            Ok(Some(record)) if !record.journal.is_empty() => record,
            Ok(_) => return Ok(None),
            Err(error) if error.code == Code::JournalChanged.text() => return Ok(None),
            Err(error) => return Err(error),
        };
        let verdict = self.inner.executor.replay(candidate, record.recorded(), None).await?;
        Ok(Some(verdict.into()))
    }
}

/// How many of a handler there are with this one.
fn count(sampled: &mut BTreeMap<Target, usize>, target: &Target) -> usize {
    let count = sampled.entry(Target { key: None, ..target.clone() }).or_default();
    *count += 1;
    *count
}

/// Replays of one page, some at once.
struct Replays {
    admin: Admin,
    candidate: Candidate,
    running: JoinSet<Result<Option<(InvocationId, CheckedInvocation)>>>,
    finished: Vec<(InvocationId, CheckedInvocation)>,
    started: usize,
}

impl Replays {
    fn new(admin: Admin, candidate: Candidate) -> Self {
        Self { admin, candidate, running: JoinSet::new(), finished: Vec::new(), started: 0 }
    }

    async fn start(&mut self, found: Found) -> Result<()> {
        while RECORDS_MAX <= self.running.len() {
            self.join().await?;
        }
        self.started += 1;
        let (admin, candidate) = (self.admin.clone(), self.candidate.clone());
        self.running.spawn(async move {
            let verdict = admin.check_one(&candidate, &found).await?;
            Ok(verdict.map(|verdict| {
                let checked = CheckedInvocation {
                    id: found.id.to_string(),
                    target: found.target.to_string(),
                    status: found.status.to_owned(),
                    pinned_deployment_id: found.pinned.map(|id| id.to_string()),
                    verdict,
                };
                (found.id, checked)
            }))
        });
        Ok(())
    }

    /// Waits for one; `false` when none runs.
    async fn join(&mut self) -> Result<bool> {
        let Some(joined) = self.running.join_next().await else { return Ok(false) };
        self.finished.extend(joined.map_err(|_| Error::internal("a replay of the check panicked"))??);
        Ok(true)
    }

    async fn finish(mut self) -> Result<Vec<CheckedInvocation>> {
        while self.join().await? {}
        self.finished.sort_unstable_by_key(|(id, _)| *id);
        Ok(self.finished.into_iter().map(|(_, checked)| checked).collect())
    }
}

fn scan_rows(
    tables: &dyn ReadTables,
    services: &[Arc<str>],
    after: Option<InvocationId>,
) -> std::result::Result<Rows, TablesError> {
    let after = after.map(Key::Invocation);
    let scanned = tables.scan(&Prefix::Invocation, after.as_ref(), READ_ROWS_MAX)?;
    let mut rows = Rows { found: Vec::new(), count: scanned.len(), last: None };
    for (key, row) in scanned {
        let Row::Invocation(invocation) = row else {
            return Err(TablesError::Damaged {
                key: Box::new(key),
                reason: "is not an invocation".to_owned(),
            });
        };
        rows.last = Some(invocation.id);
        let is_kept = invocation.journal.operations > 0;
        if is_kept && services.contains(&invocation.target.service) {
            rows.found.push(found(*invocation));
        }
    }
    Ok(rows)
}

fn found(invocation: Invocation) -> Found {
    Found {
        id: invocation.id,
        status: invocation.status.name(),
        has_started: !matches!(invocation.status, Status::Scheduled { .. } | Status::Pending { .. }),
        is_completed: matches!(invocation.status, Status::Completed { .. }),
        kind: invocation.kind,
        mode: invocation.mode,
        pinned: invocation.deployment,
        target: invocation.target,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn options_are_read_from_the_query() {
        let options = Options::parse(None).expect("no options");
        assert_eq!((options.sample, options.cursor), (0, None));
        let query = format!("sample=7&cursor={}&memory_max=2MiB", samples::ID);
        let options = Options::parse(Some(&query)).expect("valid");
        assert_eq!((options.sample, options.cursor), (7, Some(samples::ID)));
        assert_eq!(options.config.memory_bytes_max, 2 << 20);
        for (query, code) in
            [("sample=-1", "RL0001"), ("sample=1001", "RL0001"), ("cursor=x", "RL0301"), ("x=1", "RL0001")]
        {
            assert_eq!(Options::parse(Some(query)).err().expect(query).code, code, "{query}");
        }
    }

    #[test]
    fn finished_ones_are_counted_by_handler_whatever_their_key() {
        let mut sampled = BTreeMap::new();
        let of = |key: &str, handler: &str| Target {
            key: Some(key.into()),
            handler: handler.into(),
            ..samples::target()
        };
        assert_eq!(count(&mut sampled, &of("a", "add")), 1);
        assert_eq!(count(&mut sampled, &of("b", "add")), 2);
        assert_eq!(count(&mut sampled, &of("a", "get")), 1);
    }
}
