//! Random programs: the same from a seed for ever.

use crate::program::{Add, Doomed, Program, Step};

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

/// Where the counters and the names of a program come from.
#[derive(Debug, Clone)]
pub struct Origin<'a> {
    pub seed: u64,
    /// Its number, which no other program of the seed has.
    pub index: u64,
    /// Before the names of its counters.
    pub counters: &'a str,
    pub ledger: &'a str,
}

/// Whose locks are held around a list of steps. Whoever holds one waits only for keys of later layers, so nobody waits in
/// a circle.
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
/// Lists of steps inside of each other.
const DEPTH_MAX: u64 = 4;
/// Names of everything in one program; a program that has so many gets only short steps from there on.
const NAMES_MAX: u32 = 60;

struct Generator<'a> {
    random: Random,
    origin: Origin<'a>,
    named: u32,
}

/// Where a list of steps is run.
#[derive(Debug, Clone, Copy)]
struct Place {
    layer: Layer,
    /// A counter runs it itself.
    owned: bool,
    depth: u64,
}

/// The program of a seed and a number.
pub fn random_program(origin: Origin<'_>) -> Program {
    let seed = origin.seed ^ origin.index.wrapping_mul(0x2545_f491_4f6c_dd1d);
    let random = Random::new(Random::new(seed).next());
    let ledger = origin.ledger.to_owned();
    let mut generator = Generator { random, origin, named: 0 };
    let mut steps = generator.steps(Place { layer: Layer::Worker, owned: false, depth: 0 });
    if generator.random.below(12) == 0 {
        steps.push(Step::Fail);
    }
    Program { ledger, steps }
}

impl Generator<'_> {
    fn steps(&mut self, place: Place) -> Vec<Step> {
        let count = match (place.depth, place.layer) {
            (0, _) => 2 + self.random.below(6),
            (1, Layer::Worker | Layer::First) => 1 + self.random.below(4),
            _ => 1 + self.random.below(2),
        };
        (0..count).map(|_| self.step(place)).collect()
    }

    fn step(&mut self, place: Place) -> Step {
        let Place { layer, owned, depth } = place;
        match self.random.below(20) {
            0 | 1 => Step::Send(self.add(None)),
            2 => Step::SendAfter { add: self.add(None), delay_ms: 50 + self.random.below(250) },
            3 => Step::Charge { payment: self.name(), failures: u32::from(self.random.below(4) == 0) },
            4 => Step::ChargeInline { payment: self.name(), failures: u32::from(self.random.below(4) == 0) },
            5 => Step::Sleep { ms: self.random.below(60) },
            // The rest waits for other counters, is the counter's own, or is long.
            _ if layer == Layer::Second => self.own(),
            6 | 7 => Step::Call(self.add(Some(layer))),
            8 => Step::Awakeable(self.add(Some(layer))),
            9 => Step::Race { add: self.add(Some(layer)), timer_ms: self.random.below(12) },
            10 => {
                let count = 2 + self.random.below(5);
                Step::Parallel { adds: (0..count).map(|_| self.add(Some(layer))).collect() }
            }
            11 => Step::Twice(self.add(Some(layer))),
            12 => Step::Attach(self.add(Some(layer))),
            13 => self.signals(layer),
            14 => self.cancel(layer),
            _ if owned && self.random.below(2) == 0 => self.own(),
            _ if depth == DEPTH_MAX || NAMES_MAX < self.named => Step::Call(self.add(Some(layer))),
            15 | 16 => {
                let inner = Place { owned: false, depth: depth + 1, ..place };
                Step::Workflow { key: self.name(), add: self.add(Some(layer)), steps: self.steps(inner) }
            }
            _ => self.run(place),
        }
    }

    fn own(&mut self) -> Step {
        Step::Own { op: self.name(), amount: self.amount(), pause_ms: self.random.below(10) }
    }

    fn run(&mut self, place: Place) -> Step {
        let (layer, counter) = self.counter(Some(place.layer));
        let inner = Place { layer, owned: true, depth: place.depth + 1 };
        Step::Run { counter, steps: self.steps(inner) }
    }

    fn signals(&mut self, layer: Layer) -> Step {
        let (name, values) = (self.name(), 1 + u32::try_from(self.random.below(4)).expect("it is small"));
        Step::Signals { add: self.add(Some(layer)), name, values, late: self.random.below(2) == 0 }
    }

    fn cancel(&mut self, layer: Layer) -> Step {
        let levels = (0..1 + self.random.below(3))
            .map(|_| Doomed { before: self.add(None), compensation: self.add(Some(layer)) })
            .collect();
        Step::Cancel { levels, pause_ms: self.random.below(3) * self.random.below(30) }
    }

    /// `waiting`: the layer that waits for it; none for a message.
    fn add(&mut self, waiting: Option<Layer>) -> Add {
        Add { counter: self.counter(waiting).1, op: self.name(), amount: self.amount() }
    }

    fn counter(&mut self, waiting: Option<Layer>) -> (Layer, String) {
        let first = match waiting {
            None | Some(Layer::Worker) => FIRST_COUNTERS,
            Some(Layer::First | Layer::Second) => 0,
        };
        let before = self.origin.counters;
        match self.random.below(first + SECOND_COUNTERS) {
            number if number < first => (Layer::First, format!("{before}a{number}")),
            number => (Layer::Second, format!("{before}b{}", number - first)),
        }
    }

    fn name(&mut self) -> String {
        self.named += 1;
        format!("p{}.{}", self.origin.index, self.named)
    }

    fn amount(&mut self) -> i64 {
        i64::try_from(1 + self.random.below(1000)).expect("it is small")
    }
}
