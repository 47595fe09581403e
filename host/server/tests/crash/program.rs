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
    Sleep { ms: u64 },
    Hold { gate: String },
    Fail,
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
                Step::SendAfter { add, .. } | Step::Race { add, .. } => self.expect_add(add),
                Step::Parallel { adds } => adds.iter().for_each(|add| self.expect_add(add)),
                Step::Run { counter, steps } => self.expect_steps(steps, Some(counter)),
                Step::Own { op, amount, .. } => {
                    let counter = own.expect("only counters run such steps").to_owned();
                    self.expect_add(&Add { counter, op: op.clone(), amount: *amount });
                }
                Step::Charge { payment, .. } => {
                    self.payments.insert(payment.clone());
                }
                Step::Sleep { .. } | Step::Hold { .. } => {}
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

/// SplitMix64: the same numbers from a seed for ever.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `bound`, which is small.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// Who runs a list of steps. Handlers that hold a lock wait only for keys of later layers, so nobody waits in a circle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layer {
    Worker,
    /// A counter `a…`.
    First,
    /// A counter `b…`.
    Second,
}

const FIRST_COUNTERS: u64 = 4;
const SECOND_COUNTERS: u64 = 6;

struct Generator {
    random: Random,
    /// Before the names of everything in this program.
    name: String,
    named: u32,
}

/// The program number `index` of a seed.
pub fn random_program(seed: u64, index: u64, ledger: &str) -> Program {
    let random = Random::new(Random::new(seed ^ index.wrapping_mul(0x2545_f491_4f6c_dd1d)).next());
    let mut generator = Generator { random, name: format!("p{index}"), named: 0 };
    let mut steps = generator.steps(Layer::Worker);
    if generator.random.below(12) == 0 {
        steps.push(Step::Fail);
    }
    Program { ledger: ledger.to_owned(), steps }
}

impl Generator {
    fn steps(&mut self, layer: Layer) -> Vec<Step> {
        let count = match layer {
            Layer::Worker => 2 + self.random.below(6),
            Layer::First => 1 + self.random.below(4),
            Layer::Second => 1 + self.random.below(2),
        };
        (0..count).map(|_| self.step(layer)).collect()
    }

    fn step(&mut self, layer: Layer) -> Step {
        match self.random.below(14) {
            0 | 1 => Step::Send(self.add(None)),
            2 => Step::SendAfter { add: self.add(None), delay_ms: 50 + self.random.below(250) },
            3 => Step::Charge { payment: self.name(), failures: u32::from(self.random.below(4) == 0) },
            4 => Step::Charge { payment: self.name(), failures: 0 },
            5 => Step::Sleep { ms: self.random.below(60) },
            // The rest waits for other counters, or is the counter's own.
            _ if layer == Layer::Second => self.own(),
            6 | 7 => Step::Call(self.add(Some(layer))),
            8 | 9 => Step::Awakeable(self.add(Some(layer))),
            10 => Step::Race { add: self.add(Some(layer)), timer_ms: self.random.below(12) },
            11 => {
                let count = 2 + self.random.below(5);
                Step::Parallel { adds: (0..count).map(|_| self.add(Some(layer))).collect() }
            }
            _ if layer == Layer::First && self.random.below(2) == 0 => self.own(),
            _ => self.run(layer),
        }
    }

    fn own(&mut self) -> Step {
        Step::Own { op: self.name(), amount: self.amount(), pause_ms: self.random.below(10) }
    }

    fn run(&mut self, layer: Layer) -> Step {
        let counter = self.counter(Some(layer));
        let inner = if counter.starts_with('a') { Layer::First } else { Layer::Second };
        Step::Run { counter, steps: self.steps(inner) }
    }

    /// `waiting`: the layer that waits for it; none for a message.
    fn add(&mut self, waiting: Option<Layer>) -> Add {
        Add { counter: self.counter(waiting), op: self.name(), amount: self.amount() }
    }

    fn counter(&mut self, waiting: Option<Layer>) -> String {
        let first = match waiting {
            None | Some(Layer::Worker) => FIRST_COUNTERS,
            Some(Layer::First | Layer::Second) => 0,
        };
        match self.random.below(first + SECOND_COUNTERS) {
            number if number < first => format!("a{number}"),
            number => format!("b{}", number - first),
        }
    }

    fn name(&mut self) -> String {
        self.named += 1;
        format!("{}.{}", self.name, self.named)
    }

    fn amount(&mut self) -> i64 {
        i64::try_from(1 + self.random.below(1000)).expect("it is small")
    }
}
