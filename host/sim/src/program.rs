//! What handlers do: random programs over counters, and what must come of them.
//!
//! A program is run by an object's exclusive handler `run`, or by the un-keyed service. Programs call programs of the
//! next layer only, so calls cannot form a ring of locks. Exact programs are never cancelled and retried for ever: in
//! the end each of their counters has exactly what the programs add. Scratch programs may be cancelled, killed and given
//! up: their counters have at most that.

use std::collections::BTreeMap;

use relight_core::command::NewInvocation;
use relight_core::placement::{idempotent_id, placed, workflow_id};
use relight_core::retry::{OnExhausted, RetryPolicy};
use relight_core::schema::{Options, PayloadDef};
use relight_core::value::ObjectKey;
use relight_core::{
    AwakeableId, Deployment, DeploymentId, Digest, DurationMs, Handler, HandlerMode, InvocationId,
    PartitionKey, Revision, Service, ServiceKind, Target, Timestamp,
};

use crate::rng::Rng;

/// Objects whose results are exact: their journals are kept for a while.
pub const COUNTER: &str = "Counter";
/// The same, but nothing is kept after completion: what arrives twice would run twice.
pub const FLEETING: &str = "Fleeting";
/// Objects that may be cancelled, killed and given up.
pub const SCRATCH: &str = "Scratch";
/// Workflows whose results are exact: each key has one life.
pub const FLOW: &str = "Flow";
/// Workflows with many lives, which doors run, complete, cancel and purge as they like.
pub const WILD: &str = "Wild";
/// Un-keyed handlers.
pub const PLAIN: &str = "Plain";

/// Steps of one program.
const STEPS_MAX: u64 = 7;
/// Layers of programs that call each other.
const LAYERS: u64 = 3;
/// Keys of one layer: few, so that locks are fought for.
const KEYS: u64 = 2;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ProgramId(pub usize);

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Adds to the counter of the own key.
    Add(u64),
    /// Writes, clears and lists other state of the own key.
    Touch,
    Call(ProgramId),
    /// Calls one program twice by one idempotency key: it runs once.
    CallTwice(ProgramId),
    Send(ProgramId, Option<DurationMs>),
    /// Calls a shared handler of an object.
    Peek(Target),
    /// An awakeable that a handler resolves, sent after a while.
    Awakeable(Option<DurationMs>),
    Effect,
    /// An inline run.
    Run,
    /// Runs a workflow whose run calls a program; two complete the promise that it waits for.
    Flow(ProgramId),
    /// So many signals from another handler, asked for before it is called or after.
    Signals {
        count: u64,
        late: bool,
    },
    /// Sends, attaches to it, and looks at its output.
    Attach(ProgramId),
    /// Calls a handler that sends the first program and sleeps for ever; cancels it, and then it sends the second.
    Cancel(ProgramId, ProgramId),
    Timer(DurationMs),
    WaitAny,
    WaitAll,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Program {
    pub target: Target,
    pub steps: Vec<Step>,
    pub scratch: bool,
}

/// All programs of a run; an input names one by its number.
#[derive(Debug, Default)]
pub struct Programs {
    all: Vec<Program>,
}

/// What an invocation's body asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    Program(ProgramId),
    Resolve(AwakeableId),
    Peek,
    Echo(String),
    /// Sends so many signals.
    Signal {
        to: InvocationId,
        name: String,
        count: u64,
    },
    Doomed(ProgramId, ProgramId),
    /// The run of a workflow; of an exact one it calls a program.
    Flow(Option<ProgramId>),
    /// Completes the promise `gate`.
    Open(String),
    /// Waits for a promise.
    Await(String),
    /// Looks at the promise `gate`.
    Look,
}

/// The promise that a run waits for, and the one that it completes.
pub const GATE: &str = "gate";
pub const ARRIVAL: &str = "arrival";

impl Input {
    pub fn text(&self) -> String {
        match self {
            Self::Program(id) => format!("p{}", id.0),
            Self::Resolve(id) => format!("r{id}"),
            Self::Peek => "k".to_owned(),
            Self::Echo(text) => format!("e{text}"),
            Self::Signal { to, name, count } => format!("s{count} {to} {name}"),
            Self::Doomed(before, after) => format!("d{} {}", before.0, after.0),
            Self::Flow(Some(id)) => format!("f{}", id.0),
            Self::Flow(None) => "f".to_owned(),
            Self::Open(text) => format!("o{text}"),
            Self::Await(name) => format!("w{name}"),
            Self::Look => "l".to_owned(),
        }
    }

    pub fn parse(text: &str) -> Self {
        let parsed = match text.split_at(1) {
            ("p", id) => id.parse().ok().map(|id| Self::Program(ProgramId(id))),
            ("r", id) => id.parse().ok().map(Self::Resolve),
            ("k", _) => Some(Self::Peek),
            ("e", text) => Some(Self::Echo(text.to_owned())),
            ("s", text) => parse_signal(text),
            ("d", text) => text.split_once(' ').and_then(|(before, after)| {
                let id = |text: &str| text.parse().ok().map(ProgramId);
                Some(Self::Doomed(id(before)?, id(after)?))
            }),
            ("f", "") => Some(Self::Flow(None)),
            ("f", id) => id.parse().ok().map(|id| Self::Flow(Some(ProgramId(id)))),
            ("o", text) => Some(Self::Open(text.to_owned())),
            ("w", name) => Some(Self::Await(name.to_owned())),
            ("l", _) => Some(Self::Look),
            _ => None,
        };
        parsed.unwrap_or_else(|| panic!("an input that was not made here: {text}"))
    }
}

fn parse_signal(text: &str) -> Option<Input> {
    let mut words = text.split(' ');
    let count = words.next()?.parse().ok()?;
    let to = words.next()?.parse().ok()?;
    Some(Input::Signal { to, name: words.next()?.to_owned(), count })
}

impl Programs {
    pub fn get(&self, id: ProgramId) -> &Program {
        &self.all[id.0]
    }

    /// Makes a program of the outermost layer and all that it calls.
    pub fn generate(&mut self, rng: &mut Rng, scratch: bool) -> ProgramId {
        self.program(rng, scratch, 0)
    }

    fn program(&mut self, rng: &mut Rng, scratch: bool, layer: u64) -> ProgramId {
        let target = program_target(rng, scratch, layer);
        let count = 1 + rng.below(STEPS_MAX - 2 * layer);
        let steps = (0..count).map(|_| self.step(rng, &target, scratch, layer)).collect();
        self.all.push(Program { target, steps, scratch });
        ProgramId(self.all.len() - 1)
    }

    fn step(&mut self, rng: &mut Rng, target: &Target, scratch: bool, layer: u64) -> Step {
        let keyed = target.key.is_some();
        let deeper = layer + 1 < LAYERS;
        let delay = |rng: &mut Rng| rng.per_mille(400).then(|| DurationMs(rng.below(300)));
        match rng.below(29) {
            0..4 if keyed => Step::Add(1 + rng.below(9)),
            4 if keyed => Step::Touch,
            5..7 if deeper => Step::Call(self.program(rng, scratch, layer + 1)),
            7 if deeper => Step::CallTwice(self.program(rng, scratch, layer + 1)),
            8..10 if deeper => {
                let program = self.program(rng, scratch, layer + 1);
                Step::Send(program, delay(rng))
            }
            10..12 => {
                let service = if rng.per_mille(500) { COUNTER } else { FLEETING };
                let object = object(service, rng.below(LAYERS), rng.below(KEYS));
                Step::Peek(Target { handler: "peek".into(), ..object })
            }
            12 => Step::Awakeable(delay(rng)),
            13..15 => Step::Effect,
            15 => Step::Timer(DurationMs(rng.below(500))),
            16..18 => Step::WaitAny,
            18..20 => Step::Run,
            // Whoever waits for the run of an exact workflow waits for its end: that must come.
            20..22 if deeper && !scratch => Step::Flow(self.program(rng, scratch, layer + 1)),
            22..24 => Step::Signals { count: 1 + rng.below(4), late: rng.per_mille(500) },
            24 if deeper => Step::Attach(self.program(rng, scratch, layer + 1)),
            25 if deeper => {
                let before = self.program(rng, scratch, layer + 1);
                Step::Cancel(before, self.program(rng, scratch, layer + 1))
            }
            _ => Step::WaitAll,
        }
    }

    /// What a program adds to each counter, with all that it starts.
    pub fn add_up(&self, id: ProgramId, sums: &mut BTreeMap<ObjectKey, u64>) {
        let program = self.get(id);
        for step in &program.steps {
            match step {
                Step::Add(n) => {
                    let object = program.target.object().expect("only objects have counters");
                    *sums.entry(object).or_default() += n;
                }
                Step::Call(callee)
                | Step::CallTwice(callee)
                | Step::Send(callee, _)
                | Step::Flow(callee)
                | Step::Attach(callee) => self.add_up(*callee, sums),
                Step::Cancel(before, after) => {
                    self.add_up(*before, sums);
                    self.add_up(*after, sums);
                }
                _ => {}
            }
        }
    }
}

fn program_target(rng: &mut Rng, scratch: bool, layer: u64) -> Target {
    if layer == 0 && rng.per_mille(300) {
        return Target { service: PLAIN.into(), key: None, handler: "run".into() };
    }
    let service = match rng.below(3) {
        _ if scratch => SCRATCH,
        0 => FLEETING,
        _ => COUNTER,
    };
    object(service, layer, rng.below(KEYS))
}

fn object(service: &str, layer: u64, key: u64) -> Target {
    Target { service: service.into(), key: Some(format!("{layer}{key}").into()), handler: "run".into() }
}

/// A request of a door for a program.
pub fn invocation(
    rng: &mut Rng,
    program: &Program,
    id: ProgramId,
    idempotency_key: Option<String>,
    due: Option<Timestamp>,
) -> NewInvocation {
    let target = program.target.clone();
    let id_of = match &idempotency_key {
        Some(key) => idempotent_id(&target, key),
        None => InvocationId {
            key: placed(&target, None).unwrap_or_else(|| PartitionKey(rng.next())),
            unique: u128::from(rng.next()) << 64 | u128::from(rng.next()),
        },
    };
    NewInvocation {
        id: id_of,
        target,
        input: Input::Program(id).text().into(),
        headers: Vec::new(),
        idempotency_key,
        due,
        origin: relight_core::command::Origin::Ingress,
    }
}

/// How long a wild workflow is kept: a jump of the clock or two go past it.
pub const WILD_RETENTION: DurationMs = DurationMs::seconds(90);

/// A request of a door for a handler of a wild workflow.
pub fn wild_invocation(rng: &mut Rng, key: &str) -> NewInvocation {
    let (handler, input) = match rng.below(5) {
        0 | 1 => ("run", Input::Flow(None)),
        2 => ("open", Input::Open(format!("door{}", rng.below(100)))),
        3 => ("await", Input::Await(GATE.to_owned())),
        _ => ("look", Input::Look),
    };
    let target = Target { service: WILD.into(), key: Some(key.into()), handler: handler.into() };
    let run = workflow_id(WILD, key);
    let unique = u128::from(rng.next()) << 64 | u128::from(rng.next());
    NewInvocation {
        id: if handler == "run" { run } else { InvocationId { unique, ..run } },
        target,
        input: input.text().into(),
        headers: Vec::new(),
        idempotency_key: None,
        due: None,
        origin: relight_core::command::Origin::Ingress,
    }
}

/// Retries of what must succeed in the end.
const FOR_EVER: RetryPolicy = RetryPolicy { max_attempts: None, ..RetryPolicy::HANDLER };

/// Retries of an effect: of scratch programs few, then the invocation fails or is paused.
pub fn effect_retry(scratch: bool, pauses: bool) -> RetryPolicy {
    let on_exhausted = if pauses { OnExhausted::Pause } else { OnExhausted::Fail };
    match scratch {
        true => RetryPolicy { max_attempts: Some(2), on_exhausted, ..RetryPolicy::EFFECT },
        false => RetryPolicy::EFFECT,
    }
}

/// What is deployed: `n` tells deployments apart.
pub fn deployment(n: u128) -> (Deployment, Vec<Service>) {
    let handler = |name: &str, mode| Handler {
        name: name.into(),
        mode,
        input: PayloadDef::default(),
        output: PayloadDef::default(),
        documentation: None,
        options: Options::default(),
        metadata: Vec::new(),
    };
    let service = |name: &str, kind, handlers, journal: Option<DurationMs>, retry| Service {
        name: name.into(),
        kind,
        revision: Revision::ZERO,
        deployment: DeploymentId(n),
        handlers,
        documentation: None,
        options: Options { journal_retention: journal, retry: Some(retry), ..Options::default() },
        metadata: Vec::new(),
        overrides: Options::default(),
    };
    let object = || vec![handler("run", HandlerMode::Exclusive), handler("peek", HandlerMode::Shared)];
    let plain = ["run", "resolve", "echo", "signal", "doomed"].map(|name| handler(name, HandlerMode::Shared));
    let flow = || {
        let shared = ["open", "await", "look"].map(|name| handler(name, HandlerMode::Shared));
        [handler("run", HandlerMode::Workflow)].into_iter().chain(shared).collect()
    };
    let few = RetryPolicy { max_attempts: Some(3), ..RetryPolicy::HANDLER };
    let mut wild = service(WILD, ServiceKind::Workflow, flow(), Some(DurationMs::seconds(60)), FOR_EVER);
    wild.options.idempotency_retention = Some(WILD_RETENTION);
    let services = vec![
        service(COUNTER, ServiceKind::VirtualObject, object(), Some(DurationMs::hours(1)), FOR_EVER),
        service(FLEETING, ServiceKind::VirtualObject, object(), Some(DurationMs::ZERO), FOR_EVER),
        service(SCRATCH, ServiceKind::VirtualObject, object(), None, few),
        service(PLAIN, ServiceKind::Service, plain.to_vec(), Some(DurationMs::seconds(60)), FOR_EVER),
        service(FLOW, ServiceKind::Workflow, flow(), Some(DurationMs::seconds(60)), FOR_EVER),
        wild,
    ];
    let deployment = Deployment {
        id: DeploymentId(n),
        digest: Digest([0; 32]),
        size_bytes: 0,
        created_at: Timestamp(0),
        allow_http: Vec::new(),
        env: Vec::new(),
        memory_bytes_max: 0,
        services: services.iter().map(|service| service.name.clone()).collect(),
        effects: Vec::new(),
        sdk: String::new(),
        metadata: Vec::new(),
    };
    (deployment, services)
}
