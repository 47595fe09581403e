//! Programs for the guest `crash`, random ones from a seed, and what each must come to.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

#[derive(Debug, Clone, Serialize)]
pub struct Program {
    pub ledger: String,
    pub steps: Vec<Step>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Add {
    pub counter: String,
    pub op: String,
    pub amount: i64,
}

/// As in the guest, see `components/crash/src/program.rs`.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Step {
    Call(Add),
    Send(Add),
    SendAfter { add: Add, delay_ms: u64 },
    Parallel { adds: Vec<Add> },
    Awakeable(Add),
    Race { add: Add, timer_ms: u64 },
    Run { counter: String, steps: Vec<Step> },
    Own { op: String, amount: i64, pause_ms: u64 },
    Charge { payment: String, failures: u32 },
    ChargeInline { payment: String, failures: u32 },
    Twice(Add),
    Attach(Add),
    Signals { add: Add, name: String, values: u32, late: bool },
    Workflow { key: String, add: Add, steps: Vec<Step> },
    Cancel { levels: Vec<Doomed>, pause_ms: u64 },
    Sleep { ms: u64 },
    Hold { gate: String },
    Listen { name: String },
    Fail,
}

#[derive(Debug, Clone, Serialize)]
pub struct Doomed {
    pub before: Add,
    pub compensation: Add,
}

/// What must be there in the end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// By counter and name of the addition: the amount.
    pub counters: BTreeMap<String, BTreeMap<String, i64>>,
    pub payments: BTreeSet<String>,
}

impl Program {
    /// The status of its answer.
    pub fn status(&self) -> u16 {
        if self.steps.iter().any(|step| matches!(step, Step::Fail)) { 418 } else { 200 }
    }
}

impl Expected {
    pub fn of(program: &Program) -> Self {
        let mut expected = Self::default();
        expected.expect_steps(&program.steps, None);
        expected
    }

    /// `own`: the counter that runs them.
    fn expect_steps(&mut self, steps: &[Step], own: Option<&str>) {
        for step in steps {
            match step {
                Step::Call(add) | Step::Send(add) | Step::Awakeable(add) => self.expect_add(add),
                Step::Twice(add) | Step::Attach(add) => self.expect_add(add),
                Step::SendAfter { add, .. } | Step::Race { add, .. } | Step::Signals { add, .. } => {
                    self.expect_add(add);
                }
                Step::Parallel { adds } => adds.iter().for_each(|add| self.expect_add(add)),
                Step::Run { counter, steps } => self.expect_steps(steps, Some(counter)),
                Step::Own { op, amount, .. } => {
                    let counter = own.expect("only counters run such steps").to_owned();
                    self.expect_add(&Add { counter, op: op.clone(), amount: *amount });
                }
                Step::Workflow { add, steps, .. } => {
                    self.expect_steps(steps, None);
                    self.expect_add(add);
                }
                Step::Cancel { levels, .. } => {
                    for Doomed { before, compensation } in levels {
                        self.expect_add(before);
                        self.expect_add(compensation);
                    }
                }
                Step::Charge { payment, .. } | Step::ChargeInline { payment, .. } => {
                    self.payments.insert(payment.clone());
                }
                Step::Sleep { .. } | Step::Hold { .. } | Step::Listen { .. } => {}
                Step::Fail => break,
            }
        }
    }

    pub fn expect_add(&mut self, add: &Add) {
        let ops = self.counters.entry(add.counter.clone()).or_default();
        let other = ops.insert(add.op.clone(), add.amount);
        assert_eq!(other, None, "two additions are called `{}`", add.op);
    }

    pub fn merge(&mut self, other: Self) {
        for (counter, ops) in other.counters {
            self.counters.entry(counter).or_default().extend(ops);
        }
        self.payments.extend(other.payments);
    }
}
