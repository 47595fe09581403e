//! A short scenario with one step of every kind, for faults and damage.

use std::time::Duration;

use tokio::time::timeout;

use crate::{
    check::{Acknowledged, Submitted, until_finished},
    http::{Caller, Request},
    program::{Add, Expected, Program, Step},
};

/// It takes less than a second where nothing fails.
const SCENARIO_MAX: Duration = Duration::from_secs(60);

/// Runs the scenario against servers that come and go, until everything is finished. `name`: what makes its keys and
/// additions differ from those of other scenarios.
pub async fn run(caller: &Caller, ledger: &str, name: &str) -> Submitted {
    let run = async {
        let submitted = submit(caller, ledger, name).await;
        until_finished(caller).await;
        submitted
    };
    timeout(SCENARIO_MAX, run).await.unwrap_or_else(|_| panic!("scenario {name} is not answered"))
}

async fn submit(caller: &Caller, ledger: &str, name: &str) -> Submitted {
    let mut submitted = Submitted::default();
    let programs = [calls(ledger, name), waits(ledger, name), messages(ledger, name)];
    for program in &programs {
        submitted.expected.merge(Expected::of(program));
    }
    let [calls, waits, messages] = &programs;
    let (calls, waits, messages) = tokio::join!(
        request(caller, format!("{name}-calls"), "/Worker/mixed", calls),
        request(caller, format!("{name}-waits"), "/Worker/mixed", waits),
        request(caller, format!("{name}-messages"), "/Worker/mixed/send", messages),
    );
    submitted.acknowledged.extend([calls, waits, messages]);
    submitted
}

async fn request(caller: &Caller, key: String, path: &str, program: &Program) -> Acknowledged {
    let request = Request::post(path).idempotency_key(&key).json(program);
    let reply = caller.until_answered(request.clone()).await;
    let is_send = path.ends_with("/send");
    let status = program.status();
    assert_eq!(reply.status, if is_send { 202 } else { status }, "{reply}");
    let outcome = (!is_send).then(|| reply.outcome());
    Acknowledged { request, id: reply.id(), status, outcome }
}

fn add(counter: &str, name: &str, op: &str) -> Add {
    Add { counter: counter.to_owned(), op: format!("{name}.{op}"), amount: 7 }
}

fn calls(ledger: &str, name: &str) -> Program {
    let adds = (0..3).map(|number| add(&format!("b{number}"), name, "parallel")).collect();
    let inner = vec![
        Step::Own { op: format!("{name}.own"), amount: 3, pause_ms: 1 },
        Step::Call(add("b0", name, "from-counter")),
    ];
    let steps = vec![
        Step::Call(add("a0", name, "call")),
        Step::Charge { payment: format!("{name}.paid"), failures: 1 },
        Step::Run { counter: "a1".to_owned(), steps: inner },
        Step::Parallel { adds },
    ];
    Program { ledger: ledger.to_owned(), steps }
}

fn waits(ledger: &str, name: &str) -> Program {
    let steps = vec![
        Step::Awakeable(add("b1", name, "awakeable")),
        Step::Sleep { ms: 5 },
        Step::Race { add: add("b2", name, "race"), timer_ms: 2 },
        Step::Fail,
    ];
    Program { ledger: ledger.to_owned(), steps }
}

fn messages(ledger: &str, name: &str) -> Program {
    let steps = vec![
        Step::Send(add("a0", name, "send")),
        Step::SendAfter { add: add("b0", name, "later"), delay_ms: 30 },
        Step::Charge { payment: format!("{name}.sent"), failures: 0 },
    ];
    Program { ledger: ledger.to_owned(), steps }
}
