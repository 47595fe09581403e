//! Bounds that a script would be too long for: what the state machine refuses, and that it goes on afterwards.

use relight_core::action::{Action, Answer, Refusal};
use relight_core::command::{Command, NewInvocation, Origin, Record, Then};
use relight_core::journal::{Entry, NotificationKind, Operation};
use relight_core::limits::{SIGNALS_UNCLAIMED_BYTES_MAX, WAITERS_MAX};
use relight_core::machine::{self, Partition};
use relight_core::placement::{Partitioning, workflow_id};
use relight_core::schema::{Deployment, Options, PayloadDef};
use relight_core::tables::{MemoryTables, ReadTablesExt as _};
use relight_core::value::{ObjectKey, Value};
use relight_core::{
    DeploymentId, Digest, EntryIndex, FencingToken, Handler, HandlerMode, InvocationId, LeaderEpoch, Lsn,
    PartitionId, RequestId, Revision, Service, ServiceKind, Target, Timestamp,
};

const EPOCH: LeaderEpoch = LeaderEpoch(1);

/// One partition with the workflow `Flow`, whose shared handler is `look`.
struct World {
    tables: MemoryTables,
    lsn: Lsn,
}

impl World {
    fn new() -> Self {
        let mut world = Self { tables: MemoryTables::default(), lsn: Lsn::ZERO };
        world.apply(Command::AnnounceLeader { epoch: EPOCH });
        let handler = |name: &str, mode| Handler {
            name: name.into(),
            mode,
            input: PayloadDef::default(),
            output: PayloadDef::default(),
            documentation: None,
            options: Options::default(),
            metadata: Vec::new(),
        };
        let service = Service {
            name: "Flow".into(),
            kind: ServiceKind::Workflow,
            revision: Revision::ZERO,
            deployment: DeploymentId(1),
            handlers: vec![handler("run", HandlerMode::Workflow), handler("look", HandlerMode::Shared)],
            documentation: None,
            options: Options::default(),
            overrides: Options::default(),
            metadata: Vec::new(),
        };
        let deployment = Deployment {
            id: DeploymentId(1),
            digest: Digest([0; 32]),
            size_bytes: 0,
            created_at: Timestamp(0),
            allow_http: Vec::new(),
            env: Vec::new(),
            memory_bytes_max: 0,
            services: vec!["Flow".into()],
            effects: Vec::new(),
            sdk: String::new(),
            metadata: Vec::new(),
        };
        let request = world.request();
        world.apply(Command::Deploy { request, deployment, services: vec![service] });
        world
    }

    fn request(&self) -> RequestId {
        RequestId::new(0, u128::from(self.lsn.0))
    }

    fn apply(&mut self, command: Command) -> Vec<Action> {
        self.lsn = Lsn(self.lsn.0 + 1);
        let record = Record { lsn: self.lsn, time: Timestamp(1), command };
        let partition = Partition { id: PartitionId(0), partitioning: Partitioning::new(1) };
        let mut actions = Vec::new();
        machine::apply(&partition, &mut self.tables, record, &mut actions).expect("memory cannot fail");
        actions
    }

    /// Starts a shared handler of the key `k`.
    fn look(&mut self, unique: u128) -> InvocationId {
        let id = InvocationId { unique, ..workflow_id("Flow", "k") };
        let target = Target { service: "Flow".into(), key: Some("k".into()), handler: "look".into() };
        let (input, headers) = ("".into(), Vec::new());
        let origin = Origin::Ingress;
        let invocation =
            NewInvocation { id, target, input, headers, idempotency_key: None, due: None, origin };
        let request = self.request();
        self.apply(Command::Invoke { request, invocation });
        id
    }

    /// Waits for a promise; gives its value if it has one at once.
    fn wait(&mut self, id: InvocationId) -> Option<Value> {
        self.make(id, Operation::Promise { name: "gate".into() })
    }

    /// Records an operation; gives its value if it has one at once.
    fn make(&mut self, id: InvocationId, operation: Operation) -> Option<Value> {
        let attempt = self.tables.invocation(id).expect("readable").and_then(|row| row.attempt());
        let token = FencingToken { epoch: EPOCH, attempt: attempt.expect("it runs") };
        let entries = vec![Entry { made_at: Timestamp(1), operation }];
        let actions =
            self.apply(Command::Append { id, token, first: EntryIndex(1), entries, then: Then::GoOn });
        actions.into_iter().find_map(|action| match action {
            Action::Notify { notification, .. } => match notification.kind {
                NotificationKind::Completed { value, .. } => Some(value),
                NotificationKind::Cancelled => None,
            },
            _ => None,
        })
    }

    fn answer(&mut self, command: Command) -> Answer {
        let actions = self.apply(command);
        let answer = actions.into_iter().find_map(|action| match action {
            Action::Answer { answer, .. } => Some(answer),
            _ => None,
        });
        answer.expect("a door is answered")
    }
}

#[test]
fn so_many_wait_for_a_promise_and_who_has_ended_does_not_count() {
    let mut world = World::new();
    let max = u128::try_from(WAITERS_MAX).expect("it is small");
    let ids: Vec<_> = (0..max).map(|unique| world.look(unique)).collect();
    for id in &ids {
        assert_eq!(world.wait(*id), None);
    }
    let late = world.look(max);
    let refused = world.wait(late);
    assert!(matches!(&refused, Some(Value::Failure(failure)) if failure.code == 429), "{refused:?}");

    let request = world.request();
    world.apply(Command::Kill { request, id: ids[0] });
    let later = world.look(max + 1);
    assert_eq!(world.wait(later), None);

    let workflow = ObjectKey { service: "Flow".into(), key: "k".into() };
    let (request, name, outcome) = (world.request(), "gate".to_owned(), Ok("open".into()));
    let actions = world.apply(Command::CompletePromise { request, workflow, name, outcome });
    let told = actions.iter().filter(|action| matches!(action, Action::Notify { .. })).count();
    assert_eq!(told, WAITERS_MAX);
}

#[test]
fn so_many_wait_for_an_invocation() {
    let mut world = World::new();
    let max = u128::try_from(WAITERS_MAX).expect("it is small");
    let awaited = world.look(max + 1);
    for unique in 0..=max {
        let id = world.look(unique);
        let value = world.make(id, Operation::Attach { id: awaited });
        if unique < max {
            assert_eq!(value, None);
        } else {
            let Some(Value::Failure(failure)) = value else { panic!("{value:?}") };
            assert_eq!(
                (failure.code, failure.message),
                (429, format!("too many callers wait for `{awaited}`"))
            );
        }
    }
    let request = world.request();
    let actions = world.apply(Command::Kill { request, id: awaited });
    let told = actions.iter().filter(|action| matches!(action, Action::Notify { .. })).count();
    assert_eq!(told, WAITERS_MAX);
}

#[test]
fn signals_that_nobody_asks_for_are_bounded_in_bytes() {
    let mut world = World::new();
    let to = world.look(1);
    let half = bytes::Bytes::from(vec![0; SIGNALS_UNCLAIMED_BYTES_MAX / 2]);
    let mut send = |name: &str, value: &bytes::Bytes| {
        let (request, name, outcome) = (world.request(), name.to_owned(), Ok(value.clone()));
        world.answer(Command::SendSignal { request, to, name, outcome })
    };
    assert_eq!(send("one", &half), Answer::Resolved);
    assert_eq!(send("other", &half), Answer::Resolved);
    let more = bytes::Bytes::from_static(b"!");
    assert_eq!(send("third", &more), Answer::Refused(Refusal::TooManySignals(to)));
    assert_eq!(send("one", &more), Answer::Refused(Refusal::TooManySignals(to)));
}
