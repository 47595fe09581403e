//! What a program is. Its steps are carried out in order; each has a known effect on counters and payments.

use relight::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Program {
    /// Where payments go: `http://127.0.0.1:1234`.
    pub ledger: String,
    pub steps: Vec<Step>,
}

/// An addition to a counter.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Add {
    pub counter: String,
    /// The name of this addition, unlike that of any other.
    pub op: String,
    pub amount: i64,
}

/// What a handler adds that ends by being cancelled.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Doomed {
    pub before: Add,
    pub compensation: Add,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Step {
    /// Add by a call.
    Call(Add),
    /// Add by a message.
    Send(Add),
    /// Add by a message in so many milliseconds.
    SendAfter {
        add: Add,
        delay_ms: u64,
    },
    /// Add by calls that are made at once, and wait for all.
    Parallel {
        adds: Vec<Add>,
    },
    /// Add an amount that another handler answers an awakeable with.
    Awakeable(Add),
    /// Add by a call that races a timer; what is done next depends on who wins.
    Race {
        add: Add,
        timer_ms: u64,
    },
    /// Run further steps inside of a counter, by a call.
    Run {
        counter: String,
        steps: Vec<Step>,
    },
    /// Add to the counter that runs this, in so many milliseconds.
    Own {
        op: String,
        amount: i64,
        pause_ms: u64,
    },
    /// Pay; the effect fails so many times after its request before it succeeds.
    Charge {
        payment: String,
        failures: u32,
    },
    /// The same in an inline run.
    ChargeInline {
        payment: String,
        failures: u32,
    },
    /// Add by two calls with one idempotency key.
    Twice(Add),
    /// Add by a message, attach to it, look at its output, and cancel it when it is over.
    Attach(Add),
    /// Get so many signals from another handler, in order, asked for before or after they are sent; then add.
    Signals {
        add: Add,
        name: String,
        values: u32,
        late: bool,
    },
    /// Run further steps in a workflow that then waits for a promise, which two handlers complete, and adds.
    Workflow {
        key: String,
        add: Add,
        steps: Vec<Step>,
    },
    /// Start a handler that starts another one, and so on; cancel the first. Each adds when it begins, and once more when it
    /// is cancelled.
    Cancel {
        levels: Vec<Doomed>,
        pause_ms: u64,
    },
    Sleep {
        ms: u64,
    },
    /// Wait until the awakeable that is shown at this gate is resolved.
    Hold {
        gate: String,
    },
    /// Wait for a signal from outside.
    Listen {
        name: String,
    },
    /// Fail for good, with code 418.
    Fail,
}

/// What running a program gives. It holds what the steps have seen, so that two runs of one program hardly give the
/// same.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Answer {
    pub uuid: String,
    pub finished_at: Timestamp,
    /// One text per step that has a result.
    pub seen: Vec<String>,
}
