//! Lists of invocations: filters, pages, and one line of each.

use std::collections::BTreeMap;

use relight_core::{
    DeploymentId, InvocationId, Timestamp,
    tables::{Invocation, Key, Prefix, ReadTables, Row, Status, TablesError},
};
use relight_http::{
    path::parameters,
    time::{format_instant, parse_duration, parse_instant},
};

use crate::{
    Admin,
    codes::Code,
    error::{Error, Result},
    types::{InvocationSummary, Invocations},
};

/// Which invocations a list shows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Filter {
    service: Option<String>,
    handler: Option<String>,
    key: Option<String>,
    /// Empty: all.
    statuses: Vec<String>,
    deployment: Option<DeploymentId>,
    /// Created then or later.
    since: Option<Timestamp>,
    /// Created earlier than that.
    before: Option<Timestamp>,
    limit: usize,
    /// Those after this one.
    cursor: Option<InvocationId>,
}

const LIMIT_DEFAULT: usize = 100;
pub(crate) const LIMIT_MAX: usize = 1000;
/// Rows that one read looks at: it runs between two batches of a processor, and a row may hold a large result.
const READ_ROWS_MAX: usize = 32;
/// Rows that one request looks at before it answers with what it has and a cursor.
const REQUEST_ROWS_MAX: usize = 20_000;
const STATUSES: [&str; 7] =
    ["scheduled", "pending", "running", "backing-off", "suspended", "paused", "completed"];

impl Filter {
    /// `now`: what a `since` that is a duration counts back from.
    pub(crate) fn parse(query: Option<&str>, now: Timestamp) -> Result<Self> {
        let mut filter = Self {
            service: None,
            handler: None,
            key: None,
            statuses: Vec::new(),
            deployment: None,
            since: None,
            before: None,
            limit: LIMIT_DEFAULT,
            cursor: None,
        };
        for parameter in parameters(query) {
            let (name, value) =
                parameter.ok_or_else(|| Error::bad(Code::BadRequest, "the query is not well encoded"))?;
            filter.set(&name, value, now)?;
        }
        Ok(filter)
    }

    /// The filter of a batch. `statuses`: those that the verb fits; it is limited to them unless it names its own.
    pub(crate) fn of_batch(
        pairs: BTreeMap<String, String>,
        statuses: &[&str],
        now: Timestamp,
    ) -> Result<Self> {
        let mut filter = Self { limit: LIMIT_MAX, ..Self::parse(None, now)? };
        for (name, value) in pairs {
            filter.set(&name, value, now)?;
        }
        if filter.statuses.is_empty() {
            filter.statuses = statuses.iter().map(ToString::to_string).collect();
        }
        Ok(filter)
    }

    /// Those on a deployment that have neither ended nor are paused.
    pub(crate) fn unpaused_on(deployment: DeploymentId, cursor: Option<InvocationId>) -> Self {
        let statuses = STATUSES.iter().filter(|status| !matches!(**status, "completed" | "paused"));
        Self {
            service: None,
            handler: None,
            key: None,
            statuses: statuses.map(ToString::to_string).collect(),
            deployment: Some(deployment),
            since: None,
            before: None,
            limit: LIMIT_MAX,
            cursor,
        }
    }

    fn set(&mut self, name: &str, value: String, now: Timestamp) -> Result<()> {
        let bad = |text: String| Error::bad(Code::BadFilter, text);
        match name {
            "service" => self.service = Some(value),
            "handler" => self.handler = Some(value),
            "key" => self.key = Some(value),
            "status" => {
                for status in value.split(',') {
                    if !STATUSES.contains(&status) {
                        let hint = format!("known are {}", STATUSES.join(", "));
                        return Err(bad(format!("there is no status `{status}`")).hint(hint));
                    }
                    self.statuses.push(status.to_owned());
                }
            }
            "deployment" => {
                let id = value.parse().map_err(|error: relight_core::ParseIdError| bad(error.to_string()))?;
                self.deployment = Some(id);
            }
            "since" => self.since = Some(instant(&value, now)?),
            "before" => self.before = Some(instant(&value, now)?),
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
                self.limit =
                    limit.ok_or_else(|| bad(format!("`limit` is 1 to {LIMIT_MAX}, not `{value}`")))?;
            }
            "cursor" => {
                let id = value.parse().map_err(|error: relight_core::ParseIdError| bad(error.to_string()))?;
                self.cursor = Some(id);
            }
            _ => {
                let hint =
                    "known are service, handler, key, status, deployment, since, before, limit and cursor";
                return Err(bad(format!("unknown filter `{name}`")).hint(hint));
            }
        }
        Ok(())
    }

    fn matches(&self, invocation: &Invocation) -> bool {
        fn same(wanted: Option<&String>, is: Option<&str>) -> bool {
            wanted.is_none_or(|wanted| Some(wanted.as_str()) == is)
        }
        let target = &invocation.target;
        same(self.service.as_ref(), Some(&target.service))
            && same(self.handler.as_ref(), Some(&target.handler))
            && same(self.key.as_ref(), target.key.as_deref())
            && self.deployment.is_none_or(|wanted| invocation.deployment == Some(wanted))
            && self.since.is_none_or(|since| since <= invocation.created_at)
            && self.before.is_none_or(|before| invocation.created_at < before)
            && (self.statuses.is_empty()
                || self.statuses.iter().any(|status| status == invocation.status.name()))
    }
}

/// An instant, or how long ago it was.
fn instant(value: &str, now: Timestamp) -> Result<Timestamp> {
    let ago = parse_duration(value).ok().map(|duration| {
        let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        now.0.saturating_sub(milliseconds)
    });
    ago.or_else(|| parse_instant(value)).map(Timestamp).ok_or_else(|| {
        Error::bad(Code::BadFilter, format!("`{value}` is neither a duration nor an instant"))
            .hint("such as `1h` or RFC 3339")
    })
}

/// What one read of a few rows gives.
struct Rows {
    matching: Vec<(InvocationId, InvocationSummary)>,
    count: usize,
    last: Option<InvocationId>,
}

impl Admin {
    pub(crate) async fn invocations(&self, filter: Filter) -> Result<Invocations> {
        let partitions = &self.inner.partitions;
        let partitioning = partitions.partitioning();
        let first = filter.cursor.map_or(relight_core::PartitionId(0), |id| partitioning.partition(id.key));
        let mut found: Vec<(InvocationId, InvocationSummary)> = Vec::new();
        let mut after = filter.cursor;
        let mut rows_left = REQUEST_ROWS_MAX;
        // Partitions own ranges of ids in order, so this is the order of ids over all of them.
        for partition in partitioning.partitions().filter(|partition| *partition >= first) {
            loop {
                let scan = filter.clone();
                let rows =
                    partitions.get(partition).read(move |tables| scan_rows(tables, &scan, after)).await??;
                after = rows.last.or(after);
                found.extend(rows.matching);
                if found.len() >= filter.limit {
                    found.truncate(filter.limit);
                    let next = found.last().map(|(id, _)| id.to_string());
                    return Ok(page(found, next));
                }
                if rows.count < READ_ROWS_MAX {
                    break;
                }
                rows_left = rows_left.saturating_sub(rows.count);
                if rows_left == 0 {
                    return Ok(page(found, after.map(|id| id.to_string())));
                }
            }
        }
        Ok(page(found, None))
    }
}

fn page(found: Vec<(InvocationId, InvocationSummary)>, next: Option<String>) -> Invocations {
    Invocations { invocations: found.into_iter().map(|(_, summary)| summary).collect(), next }
}

fn scan_rows(
    tables: &dyn ReadTables,
    filter: &Filter,
    after: Option<InvocationId>,
) -> std::result::Result<Rows, TablesError> {
    let after = after.map(Key::Invocation);
    let scanned = tables.scan(&Prefix::Invocation, after.as_ref(), READ_ROWS_MAX)?;
    let mut rows = Rows { matching: Vec::new(), count: scanned.len(), last: None };
    for (key, row) in scanned {
        let Row::Invocation(invocation) = row else {
            return Err(TablesError::Damaged {
                key: Box::new(key),
                reason: "is not an invocation".to_owned(),
            });
        };
        rows.last = Some(invocation.id);
        if filter.matches(&invocation) {
            rows.matching.push((invocation.id, summary(&invocation)));
        }
    }
    Ok(rows)
}

pub(crate) fn summary(invocation: &Invocation) -> InvocationSummary {
    let target = &invocation.target;
    let (result, failure) = match &invocation.status {
        Status::Completed { outcome: Ok(_), .. } => (Some("success"), None),
        Status::Completed { outcome: Err(failure), .. } => (Some("failure"), Some(failure.to_string())),
        _ => (None, None),
    };
    InvocationSummary {
        id: invocation.id.to_string(),
        target: target.to_string(),
        target_service_name: target.service.to_string(),
        target_service_key: target.key.as_ref().map(ToString::to_string),
        target_handler_name: target.handler.to_string(),
        status: invocation.status.name().to_owned(),
        completion_result: result.map(str::to_owned),
        completion_failure: failure,
        pinned_deployment_id: invocation.deployment.map(|id| id.to_string()),
        created_at: format_instant(invocation.created_at.0),
        modified_at: format_instant(invocation.modified_at.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    const NOW: Timestamp = Timestamp(10_000_000);

    fn parse(query: &str) -> Filter {
        Filter::parse(Some(query), NOW).expect(query)
    }

    #[test]
    fn filters_are_read_from_the_query() {
        let id = samples::ID;
        let filter = parse(&format!(
            "service=S&handler=h&key=a%2Fb&status=running,paused&since=1s&limit=5&cursor={id}"
        ));
        assert_eq!(filter.service.as_deref(), Some("S"));
        assert_eq!(filter.key.as_deref(), Some("a/b"));
        assert_eq!(filter.statuses, ["running", "paused"]);
        assert_eq!(filter.since, Some(Timestamp(NOW.0 - 1000)));
        assert_eq!((filter.limit, filter.cursor), (5, Some(id)));
        assert_eq!(parse("since=1970-01-01T00:00:01Z").since, Some(Timestamp(1000)));
        assert_eq!(Filter::parse(None, NOW).expect("no filter").limit, LIMIT_DEFAULT);
        for query in [
            "x=1",
            "status=on",
            "limit=0",
            "limit=1001",
            "cursor=x",
            "since=then",
            "before=soon",
            "deployment=7",
        ] {
            assert_eq!(Filter::parse(Some(query), NOW).expect_err(query).code, "RL0304");
        }
    }

    #[test]
    fn filters_match_every_field_they_name() {
        let invocation = samples::invocation(Status::Pending { sequence: 1 });
        for (query, expected) in [
            ("", true),
            ("service=Cart", true),
            ("service=Car", false),
            ("handler=add&key=mary", true),
            ("key=john", false),
            ("status=pending", true),
            ("status=completed,pending", true),
            ("status=running", false),
            ("since=1970-01-01T00:00:01Z", true),
            ("since=1970-01-01T00:00:01.001Z", false),
            ("before=1970-01-01T00:00:01Z", false),
            ("before=1h&since=9999s", true),
        ] {
            assert_eq!(parse(query).matches(&invocation), expected, "{query}");
        }
        let other = DeploymentId(1);
        assert!(!parse(&format!("deployment={other}")).matches(&invocation));
    }

    #[test]
    fn a_line_shows_how_an_invocation_ended() {
        let outcome = Err(relight_core::Failure::new(404, "gone"));
        let status = Status::Completed { outcome, at: Timestamp(1), expires_at: Timestamp(2) };
        let line = summary(&samples::invocation(status));
        assert_eq!((line.status.as_str(), line.target.as_str()), ("completed", "Cart/mary/add"));
        assert_eq!(line.completion_result.as_deref(), Some("failure"));
        assert_eq!(line.completion_failure.as_deref(), Some("[404] gone"));
    }
}
