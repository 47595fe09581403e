//! The verbs of scripts. A label stands for an invocation; times are milliseconds.
//!
//! ```text
//! lead EPOCH                                  deploy [DEPLOYMENT]
//! rollback SERVICE [REVISION]                 patch SERVICE [private|open] [attempts=N]
//! configure [attempts=N]                      evict LABEL DEPLOYMENT
//! drain DEPLOYMENT    close DEPLOYMENT        removed DEPLOYMENT
//! invoke LABEL TARGET [ik=KEY] [in=TEXT] [due=AT]
//! append LABEL [@ATTEMPT] [first=N] OP; OP…   suspend LABEL any|all I,J
//! failed LABEL mismatch|retry|host TEXT       effect LABEL I done|failed|terminal TEXT
//! resolve LABEL I TEXT                        cancel LABEL       kill LABEL
//! signal LABEL NAME TEXT                      promise KEY NAME TEXT           (of `Flow`)
//! pause LABEL   resume LABEL   resume-on LABEL DEPLOYMENT [ITEMS]   purge LABEL   purge-journal LABEL
//! run-failed LABEL NAME TEXT [attempts=N]
//! restart LABEL NEW [from=I] [on=latest|keep|DEPLOYMENT]
//! tick MS                                     fire               (every timer that is due)
//! deliver FIRST complete LABEL I TEXT         truncate UPTO
//! again REQUEST LABEL TARGET [minted=MS]      (of now, if not said)
//! ```

use relight_core::{
    AwakeableId, Command, DeploymentId, Digest, DurationMs, Entry, EntryIndex, Failure, FencingToken,
    Handler, HandlerMode, Incarnation, InvocationId, LeaderEpoch, Lsn, Operation, PartitionId, RequestId,
    Revision, Service, ServiceKind, Target, Timestamp, Value,
    command::{
        AttemptError, AttemptErrorKind, Caller, EffectError, Message, NewInvocation, Onto, Origin, Purge,
        RestartOn, Then, Wait, WaitMode,
    },
    journal::Call,
    placement::workflow_id,
    retry::RetryPolicy,
    schema::{Deployment, Options, OptionsPatch, PayloadDef, Removal},
    tables::{Key, Prefix, ReadTables as _, ReadTablesExt as _},
    value::{Due, ObjectKey},
};

use crate::world::World;

pub fn parse(world: &mut World, line: &str) -> Vec<Command> {
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let words: Vec<&str> = rest.split(' ').filter(|word| !word.is_empty()).collect();
    let request = |world: &mut World| {
        world.requests += 1;
        RequestId::new(world.time.0, world.requests)
    };
    let command = match verb {
        "lead" => Command::AnnounceLeader { epoch: LeaderEpoch(number(words[0])) },
        "deploy" | "rollback" | "patch" | "configure" | "drain" | "close" | "removed" | "evict" => {
            registry(world, verb, &words)
        }
        "invoke" => {
            let request = request(world);
            Command::Invoke { request, invocation: invocation(world, &words) }
        }
        "again" => Command::Invoke {
            request: RequestId::new(
                option(&words, "minted").map_or(world.time.0, number),
                u128::from(number(words[0])),
            ),
            invocation: invocation(world, &words[1..]),
        },
        "append" => append(world, rest),
        "suspend" => suspend(world, &words),
        "failed" => failed(world, &words),
        "effect" => effect(world, &words),
        "resolve" => Command::ResolveAwakeable {
            request: request(world),
            id: awakeable(world, words[0], words[1]),
            outcome: Ok(words[2].to_owned().into()),
        },
        "signal" => Command::SendSignal {
            request: request(world),
            to: world.id(words[0]),
            name: words[1].to_owned(),
            outcome: Ok(words[2].to_owned().into()),
        },
        "promise" => Command::CompletePromise {
            request: request(world),
            workflow: ObjectKey { service: "Flow".into(), key: words[0].into() },
            name: words[1].to_owned(),
            outcome: Ok(words[2].to_owned().into()),
        },
        "pause" => Command::Pause { request: request(world), id: world.id(words[0]) },
        "resume" => Command::Resume { request: request(world), id: world.id(words[0]), onto: None },
        "resume-on" => resume_on(request(world), world, &words),
        "purge" => {
            Command::Purge { request: request(world), id: world.id(words[0]), what: Purge::Invocation }
        }
        "purge-journal" => {
            Command::Purge { request: request(world), id: world.id(words[0]), what: Purge::Journal }
        }
        "restart" => restart(world, &words),
        "run-failed" => run_failed(world, &words),
        "cancel" => Command::Cancel { request: request(world), id: world.id(words[0]) },
        "kill" => Command::Kill { request: request(world), id: world.id(words[0]) },
        "tick" => {
            world.time = world.time.after(DurationMs(number(words[0])));
            return Vec::new();
        }
        "fire" => return fire(world),
        "deliver" => {
            let caller = caller(world, words[2], words[3]);
            let value = Value::Success(words[4].to_owned().into());
            let messages = vec![Message::Complete { caller, value }];
            Command::Deliver { source: PartitionId(1), first: number(words[0]), messages }
        }
        "truncate" => Command::TruncateOutbox { destination: PartitionId(1), upto: number(words[0]) },
        other => panic!("unknown verb `{other}`"),
    };
    vec![command]
}

fn resume_on(request: RequestId, world: &mut World, words: &[&str]) -> Command {
    let id = world.id(words[0]);
    let row = world.tables().invocation(id).expect("readable").expect("only what exists moves");
    let items = words.get(2).map_or(row.journal.items, |items| number(items) as u32);
    let deployment = deployment(words[1]);
    let onto = Onto { deployment, incarnation: row.incarnation, items };
    Command::Resume { request, id, onto: Some(onto) }
}

/// What concerns deployments and services.
fn registry(world: &mut World, verb: &str, words: &[&str]) -> Command {
    world.requests += 1;
    let request = RequestId::new(world.time.0, world.requests);
    match verb {
        "deploy" => {
            let (deployment, services) = schema(words.first().map_or(7, |id| number(id)));
            Command::Deploy { request, deployment, services }
        }
        "rollback" => Command::Rollback {
            request,
            service: words[0].into(),
            revision: words.get(1).map(|revision| Revision(index(revision).0)),
        },
        "patch" => {
            let public = words.iter().find_map(|word| match *word {
                "private" => Some(Some(false)),
                "open" => Some(None),
                _ => None,
            });
            let retry = option(words, "attempts").map(|max| Some(attempts(max)));
            let patch = OptionsPatch { public, retry, ..OptionsPatch::default() };
            Command::PatchService { request, service: words[0].into(), patch }
        }
        "configure" => {
            let retry = option(words, "attempts").map(attempts);
            Command::Configure { request, defaults: Options { retry, ..Options::default() } }
        }
        "drain" | "close" => Command::StartRemoval {
            request,
            deployment: deployment(words[0]),
            removal: if verb == "drain" { Removal::Draining } else { Removal::Closing },
        },
        "removed" => Command::FinishRemoval { request, deployment: deployment(words[0]) },
        "evict" => Command::Evict { request, id: world.id(words[0]), deployment: deployment(words[1]) },
        other => panic!("unknown verb `{other}`"),
    }
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("`{text}` is not a number"))
}

fn index(text: &str) -> EntryIndex {
    EntryIndex(text.parse().unwrap_or_else(|_| panic!("`{text}` is not an index")))
}

fn deployment(text: &str) -> DeploymentId {
    DeploymentId(number(text).into())
}

fn attempts(max: &str) -> RetryPolicy {
    RetryPolicy { max_attempts: Some(index(max).0), ..RetryPolicy::HANDLER }
}

fn target(text: &str) -> Target {
    let parts: Vec<&str> = text.split('/').collect();
    match parts[..] {
        [service, handler] => Target { service: service.into(), key: None, handler: handler.into() },
        [service, key, handler] => {
            Target { service: service.into(), key: Some(key.into()), handler: handler.into() }
        }
        _ => panic!("`{text}` is not a target"),
    }
}

fn option<'a>(words: &[&'a str], name: &str) -> Option<&'a str> {
    words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

fn invocation(world: &mut World, words: &[&str]) -> NewInvocation {
    let target = target(words[1]);
    let id = match &target.key {
        Some(key) if &*target.handler == "run" => world.name(words[0], workflow_id(&target.service, key)),
        _ => world.id(words[0]),
    };
    NewInvocation {
        id,
        target,
        input: option(words, "in").unwrap_or("").to_owned().into(),
        headers: Vec::new(),
        idempotency_key: option(words, "ik").map(str::to_owned),
        due: option(words, "due").map(|due| Timestamp(number(due))),
        origin: Origin::Ingress,
    }
}

fn incarnation(world: &World, id: InvocationId) -> Incarnation {
    world.tables().invocation(id).expect("readable").map_or(Lsn::ZERO, |row| row.incarnation)
}

fn caller(world: &mut World, label: &str, handle: &str) -> Caller {
    let id = world.id(label);
    Caller { id, incarnation: incarnation(world, id), index: index(handle) }
}

fn awakeable(world: &mut World, label: &str, handle: &str) -> AwakeableId {
    let Caller { id, incarnation, index } = caller(world, label, handle);
    AwakeableId { invocation: id, incarnation, index }
}

fn append(world: &mut World, rest: &str) -> Command {
    let (label, mut rest) = rest.split_once(' ').expect("a label and operations");
    let id = world.id(label);
    let mut token = world.token(id);
    let mut then = Then::GoOn;
    let mut first = world.tables().invocation(id).expect("readable").map_or(0, |row| row.journal.operations);
    while let Some((word, tail)) = rest.split_once(' ') {
        if let Some(attempt) = word.strip_prefix('@') {
            token = FencingToken { attempt: Lsn(number(attempt)), ..token };
        } else if let Some(given) = word.strip_prefix("first=") {
            first = index(given).0;
        } else if word == "start-over" {
            then = Then::StartOver;
        } else {
            break;
        }
        rest = tail;
    }
    let entries = rest
        .split(';')
        .map(|text| Entry { made_at: world.time, operation: operation(world, text.trim()) })
        .collect();
    Command::Append { id, token, first: EntryIndex(first), entries, then }
}

fn operation(world: &mut World, text: &str) -> Operation {
    let words: Vec<&str> = text.split(' ').collect();
    let call = |world: &mut World| Call {
        callee: world.id(words[1]),
        target: target(words[2]),
        input: option(&words, "in").unwrap_or("").to_owned().into(),
        headers: Vec::new(),
        idempotency_key: option(&words, "ik").map(str::to_owned),
        name: None,
    };
    match words[0] {
        "set" => Operation::SetState { key: words[1].to_owned(), value: words[2].to_owned().into() },
        "clear" => Operation::ClearState { key: words[1].to_owned() },
        "clear-all" => Operation::ClearAllState,
        "call" => Operation::Call(call(world)),
        "send" => {
            let due = option(&words, "after").map_or(Due::Now, |ms| Due::After(DurationMs(number(ms))));
            Operation::Send { call: call(world), due }
        }
        "timer" => Operation::Timer { due: Due::After(DurationMs(number(words[1]))), name: None },
        "awakeable" => Operation::Awakeable,
        "effect" => {
            let attempts = option(&words, "attempts").map(|max| index(max).0);
            let retry = RetryPolicy {
                max_attempts: attempts,
                on_exhausted: relight_core::retry::OnExhausted::Fail,
                ..RetryPolicy::EFFECT
            };
            let (name, timeout) = (words[1].to_owned(), DurationMs::seconds(60));
            Operation::Effect { name, input: "".into(), retry, timeout }
        }
        "resolve" => Operation::ResolveAwakeable {
            id: awakeable(world, words[1], words[2]),
            outcome: Ok(words[3].to_owned().into()),
        },
        "signal" => Operation::Signal { name: words[1].to_owned() },
        "send-signal" => Operation::SendSignal {
            to: world.id(words[1]),
            name: words[2].to_owned(),
            outcome: Ok(words[3].to_owned().into()),
        },
        "promise" => Operation::Promise { name: words[1].to_owned() },
        "peek" => Operation::PromisePeek { name: words[1].to_owned() },
        "complete" => {
            Operation::PromiseComplete { name: words[1].to_owned(), outcome: Ok(words[2].to_owned().into()) }
        }
        "attach" => Operation::Attach { id: world.id(words[1]) },
        "output-of" => Operation::PeekOutput { id: world.id(words[1]) },
        "cancel" => Operation::CancelInvocation { id: world.id(words[1]) },
        "run" => Operation::Run { name: words[1].to_owned(), outcome: Ok(words[2].to_owned().into()) },
        "cancelled" => Operation::CancelDelivered,
        "output" => Operation::Output { outcome: Ok(words[1].to_owned().into()) },
        "fail" => Operation::Output { outcome: Err(Failure::new(500, words[1])) },
        other => panic!("unknown operation `{other}`"),
    }
}

fn suspend(world: &mut World, words: &[&str]) -> Command {
    let id = world.id(words[0]);
    let mode = if words[1] == "all" { WaitMode::All } else { WaitMode::Any };
    let handles = words[2].split(',').map(index).collect();
    let operations = world.tables().invocation(id).expect("readable").map_or(0, |row| row.journal.operations);
    Command::Suspend { id, token: world.token(id), wait: Wait { operations, mode, handles } }
}

fn failed(world: &mut World, words: &[&str]) -> Command {
    let id = world.id(words[0]);
    let kind = match words[1] {
        "mismatch" => AttemptErrorKind::JournalMismatch,
        "host" => AttemptErrorKind::Host,
        _ => AttemptErrorKind::Retryable,
    };
    let error = AttemptError { kind, message: words[2..].join(" "), index: None, retry_after: None };
    Command::AttemptFailed { id, token: world.token(id), error }
}

fn restart(world: &mut World, words: &[&str]) -> Command {
    world.requests += 1;
    let on = match option(words, "on") {
        None | Some("latest") => RestartOn::Latest,
        Some("keep") => RestartOn::Keep,
        Some(deployment) => RestartOn::Deployment(DeploymentId(u128::from(number(deployment)))),
    };
    let id = world.id(words[0]);
    // A new id of the same place, as the door makes it.
    let new = InvocationId { key: id.key, unique: world.id(words[1]).unique };
    Command::RestartAsNew {
        request: RequestId::new(world.time.0, world.requests),
        id,
        new: world.name(words[1], new),
        from: option(words, "from").map_or(EntryIndex::ZERO, index),
        on,
    }
}

fn run_failed(world: &mut World, words: &[&str]) -> Command {
    let id = world.id(words[0]);
    let operations = world.tables().invocation(id).expect("readable").map_or(0, |row| row.journal.operations);
    let retry = RetryPolicy {
        max_attempts: option(words, "attempts").map(|max| index(max).0),
        on_exhausted: relight_core::retry::OnExhausted::Fail,
        ..RetryPolicy::EFFECT
    };
    let error = EffectError { message: words[2..].join(" "), retry_after: None };
    Command::RunFailed { id, token: world.token(id), operations, name: words[1].to_owned(), error, retry }
}

fn effect(world: &mut World, words: &[&str]) -> Command {
    let id = world.id(words[0]);
    let index = index(words[1]);
    let incarnation = incarnation(world, id);
    let attempt = world.tables().effect(id, index).expect("readable").map_or(Lsn::ZERO, |row| row.attempt);
    let token = FencingToken { epoch: LeaderEpoch(1), attempt };
    let text = words[3..].join(" ");
    match words[2] {
        "done" => Command::EffectCompleted { id, incarnation, index, token, outcome: Ok(text.into()) },
        "terminal" => {
            Command::EffectCompleted { id, incarnation, index, token, outcome: Err(Failure::new(400, text)) }
        }
        _ => {
            let error = EffectError { message: text, retry_after: None };
            Command::EffectFailed { id, incarnation, index, token, error }
        }
    }
}

fn fire(world: &mut World) -> Vec<Command> {
    let rows = world.tables().scan(&Prefix::Timer, None, usize::MAX).expect("readable");
    rows.into_iter()
        .filter_map(|(key, _)| match key {
            Key::Timer(timer) if timer.due <= world.time => Some(Command::TimerFired { timer }),
            _ => None,
        })
        .collect()
}

/// `Greeter` is a service, `Flow` a workflow with its `run` and a shared `look`, `Counter` a virtual object with an exclusive `add` and a shared `get`.
fn schema(id: u64) -> (Deployment, Vec<Service>) {
    let handler = |name: &str, mode| Handler {
        name: name.into(),
        mode,
        input: PayloadDef::default(),
        output: PayloadDef::default(),
        documentation: None,
        options: Options::default(),
        metadata: Vec::new(),
    };
    let service = |name: &str, kind, handlers| Service {
        name: name.into(),
        kind,
        revision: Revision::ZERO,
        deployment: DeploymentId(0),
        handlers,
        documentation: None,
        options: Options::default(),
        metadata: Vec::new(),
        overrides: Options::default(),
    };
    let services = vec![
        service("Greeter", ServiceKind::Service, vec![handler("greet", HandlerMode::Exclusive)]),
        service(
            "Flow",
            ServiceKind::Workflow,
            vec![handler("run", HandlerMode::Workflow), handler("look", HandlerMode::Shared)],
        ),
        service(
            "Counter",
            ServiceKind::VirtualObject,
            vec![handler("add", HandlerMode::Exclusive), handler("get", HandlerMode::Shared)],
        ),
    ];
    let deployment = Deployment {
        id: DeploymentId(id.into()),
        digest: Digest([7; 32]),
        size_bytes: 1,
        created_at: Timestamp(0),
        allow_http: Vec::new(),
        env: Vec::new(),
        memory_bytes_max: 64 << 20,
        services: services.iter().map(|service| service.name.clone()).collect(),
        effects: Vec::new(),
        sdk: "script".to_owned(),
        metadata: Vec::new(),
    };
    (deployment, services)
}
