//! What must hold in the end: everything is finished, every counter is exact, every payment was made under one key,
//! and every answer that somebody was given is given again.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use bytes::Bytes;
use hyper::Method;
use serde::Deserialize;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::{
    http::{Caller, Request},
    ledger::{Ledger, Payment},
    program::{Add, Expected},
};

/// After the last kill everything goes on at once; retries and back-off add some seconds.
const FINISH_MAX: Duration = Duration::from_secs(90);
const POLL_PAUSE: Duration = Duration::from_millis(25);
/// Requests at a time.
const CHECKERS: usize = 8;
/// Lines of a report about what is wrong.
const PROBLEMS_SHOWN: usize = 30;

/// What was submitted, and what its submitters were told.
#[derive(Debug, Default)]
pub struct Submitted {
    pub expected: Expected,
    /// Additions that were sent without an idempotency key and got no answer: made once or not at all.
    pub perhaps: Vec<Add>,
    pub acknowledged: Vec<Acknowledged>,
}

/// A request with an idempotency key that was answered.
#[derive(Debug, Clone)]
pub struct Acknowledged {
    pub request: Request,
    pub id: String,
    /// The status of the invocation's result.
    pub status: u16,
    /// What a call was answered; none for a send.
    pub outcome: Option<(u16, Bytes)>,
}

#[derive(Debug, Deserialize)]
struct Report {
    sum: i64,
    ops: BTreeMap<String, i64>,
}

/// Waits until no invocation is unfinished.
pub async fn until_finished(caller: &Caller) {
    let started = Instant::now();
    loop {
        let unfinished = unfinished(caller).await;
        if unfinished.is_empty() {
            return;
        }
        let is_paused = unfinished.iter().any(|invocation| invocation["status"] == "paused");
        if is_paused || started.elapsed() > FINISH_MAX {
            let count = unfinished.len();
            panic!("{count} invocations do not finish, for example:\n{}", explain(caller, &unfinished).await);
        }
        tokio::time::sleep(POLL_PAUSE).await;
    }
}

/// All pages of the list of unfinished invocations.
async fn unfinished(caller: &Caller) -> Vec<Value> {
    let query = "/invocations?limit=1000&status=scheduled,pending,running,backing-off,suspended,paused";
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let request = Request::admin(Method::GET, format!("{query}{cursor}"));
        let page: Value = caller.until_answered(request).await.parsed();
        found.extend(page["invocations"].as_array().expect("a list").iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

/// Some invocations with all that the server says about them.
async fn explain(caller: &Caller, invocations: &[Value]) -> String {
    const SHOWN: usize = 4;
    let mut text = String::new();
    // Those that wait for a lock wait for one of the others.
    let (pending, others): (Vec<_>, Vec<_>) =
        invocations.iter().partition(|invocation| invocation["status"] == "pending");
    for invocation in others.into_iter().chain(pending).take(SHOWN) {
        let id = invocation["id"].as_str().expect("an id");
        for path in [format!("/invocations/{id}"), format!("/invocations/{id}/journal")] {
            let reply = caller.until_answered(Request::admin(Method::GET, path)).await;
            let shown = match serde_json::from_slice::<Value>(&reply.body) {
                Ok(value) => format!("{value:#}"),
                Err(_) => reply.to_string(),
            };
            text.push_str(&shown);
            text.push('\n');
        }
    }
    text
}

/// Fails with a list of all that is not as expected.
pub async fn check_all(caller: &Caller, submitted: &Submitted, ledger: &Ledger) {
    let mut problems = check_counters(caller, submitted).await;
    problems.extend(check_payments(&submitted.expected.payments, &ledger.payments()));
    problems.extend(check_answers(caller, &submitted.acknowledged).await);
    let shown = problems.iter().take(PROBLEMS_SHOWN).cloned().collect::<Vec<_>>().join("\n");
    assert!(problems.is_empty(), "{} things are wrong:\n{shown}", problems.len());
}

async fn check_counters(caller: &Caller, submitted: &Submitted) -> Vec<String> {
    let mut expected = submitted.expected.counters.clone();
    for add in &submitted.perhaps {
        expected.entry(add.counter.clone()).or_default();
    }
    let mut problems = Vec::new();
    for (counter, mut ops) in expected {
        let reply = caller.until_answered(Request::get(format!("/Counter/{counter}/report"))).await;
        let report: Report = reply.parsed();
        let perhaps = submitted.perhaps.iter().filter(|add| add.counter == counter);
        for Add { op, amount, .. } in perhaps.filter(|add| report.ops.contains_key(&add.op)) {
            ops.insert(op.clone(), *amount);
        }
        problems.extend(compare(&counter, &ops, &report));
    }
    problems
}

fn compare(counter: &str, expected: &BTreeMap<String, i64>, report: &Report) -> Vec<String> {
    let mut problems = Vec::new();
    for op in expected.keys().chain(report.ops.keys()).collect::<BTreeSet<_>>() {
        match (expected.get(op), report.ops.get(op)) {
            (Some(expected), Some(found)) if expected == found => {}
            (Some(expected), Some(found)) => {
                problems.push(format!("{counter}: `{op}` added {found} instead of {expected}"));
            }
            (Some(_), None) => problems.push(format!("{counter}: `{op}` is lost")),
            (None, _) => problems.push(format!("{counter}: nobody asked for `{op}`")),
        }
    }
    let sum: i64 = expected.values().sum();
    if report.sum != sum {
        problems.push(format!("{counter}: the sum is {} instead of {sum}", report.sum));
    }
    problems
}

fn check_payments(expected: &BTreeSet<String>, payments: &BTreeMap<String, Payment>) -> Vec<String> {
    let problem = |id: &String| match payments.get(id) {
        None => Some(format!("payment {id} was never made")),
        Some(payment) if payment.keys.len() != 1 => {
            Some(format!("payment {id} was made as {:?}", payment.keys))
        }
        Some(payment) if payment.confirmations.len() != 1 => {
            Some(format!("payment {id} was confirmed as {:?}", payment.confirmations))
        }
        Some(payment) if payment.late > 0 => {
            Some(format!("payment {id} was made {} times more after its result was recorded", payment.late))
        }
        Some(_) => None,
    };
    expected.iter().filter_map(problem).collect()
}

async fn check_answers(caller: &Caller, acknowledged: &[Acknowledged]) -> Vec<String> {
    let mut checkers = JoinSet::new();
    for part in acknowledged.chunks(acknowledged.len().div_ceil(CHECKERS).max(1)) {
        let (caller, part) = (caller.clone(), part.to_vec());
        checkers.spawn(async move {
            let mut problems = Vec::new();
            for acknowledged in &part {
                problems.extend(check_answer(&caller, acknowledged).await);
            }
            problems
        });
    }
    checkers.join_all().await.concat()
}

async fn check_answer(caller: &Caller, acknowledged: &Acknowledged) -> Vec<String> {
    let Acknowledged { request, id, status, outcome } = acknowledged;
    let mut problems = Vec::new();
    let attached = caller.until_answered(Request::get(format!("/relight/attach/{id}"))).await;
    if attached.status != *status {
        problems.push(format!("{id} ended with {attached} instead of {status}"));
    }
    let again = caller.until_answered(request.clone()).await;
    match outcome {
        Some(outcome) if attached.outcome() != *outcome => {
            problems.push(format!("{id} was answered {outcome:?}, attached to it answers {attached}"));
        }
        Some(outcome) if again.outcome() != *outcome => {
            problems.push(format!("{id} was answered {outcome:?}, and {again} when asked again"));
        }
        None if again.status != 202 || again.id() != *id => {
            problems.push(format!("{id} was accepted before, and is {again} when sent again"));
        }
        Some(_) | None => {}
    }
    problems
}

/// What is wrong must be found; else all the tests here hold nothing.
mod tests {
    use super::*;

    fn ops(ops: &[(&str, i64)]) -> BTreeMap<String, i64> {
        ops.iter().map(|(op, amount)| ((*op).to_owned(), *amount)).collect()
    }

    #[test]
    fn lost_repeated_and_unasked_additions_are_found() {
        let expected = ops(&[("a", 1), ("b", 2)]);
        let found = |found: &[(&str, i64)], sum| compare("c", &expected, &Report { sum, ops: ops(found) });
        assert_eq!(found(&[("a", 1), ("b", 2)], 3), [""; 0]);
        assert_eq!(found(&[("a", 1)], 1), ["c: `b` is lost", "c: the sum is 1 instead of 3"]);
        assert_eq!(
            found(&[("a", 2), ("b", 2)], 4),
            ["c: `a` added 2 instead of 1", "c: the sum is 4 instead of 3"]
        );
        assert_eq!(found(&[("a", 1), ("b", 2), ("x", 0)], 3), ["c: nobody asked for `x`"]);
        assert_eq!(found(&[("a", 1), ("b", 2)], 5), ["c: the sum is 5 instead of 3"]);
    }

    #[test]
    fn missing_and_doubled_and_late_payments_are_found() {
        let keys = |keys: &[&str]| keys.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
        let right = Payment { keys: keys(&["k"]), charges: 2, confirmations: keys(&["l"]), late: 0 };
        let expected = keys(&["p"]);
        let problem = |payment: Payment| check_payments(&expected, &[("p".to_owned(), payment)].into());
        assert_eq!(problem(right.clone()), [""; 0]);
        assert_eq!(check_payments(&expected, &BTreeMap::new()), ["payment p was never made"]);
        let doubled = Payment { keys: keys(&["k", "m"]), ..right.clone() };
        assert_eq!(problem(doubled), [r#"payment p was made as {"k", "m"}"#]);
        let unconfirmed = Payment { confirmations: keys(&[]), ..right.clone() };
        assert_eq!(problem(unconfirmed), ["payment p was confirmed as {}"]);
        let late = Payment { late: 1, ..right };
        assert_eq!(problem(late), ["payment p was made 1 times more after its result was recorded"]);
    }
}
