//! Clients that submit random programs, and repeat each request until it is answered.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    check::{Acknowledged, Submitted},
    generator::{Origin, random_program},
    http::{Caller, Request},
    program::{Add, Expected, Program, Step},
};

const POLL_PAUSE: Duration = Duration::from_millis(10);

/// Which programs are submitted: those with the numbers from `first` on, of a seed.
#[derive(Debug, Clone)]
pub struct Share {
    pub seed: u64,
    pub first: u64,
    /// One after the last; none: until the load is stopped.
    pub end: Option<u64>,
}

/// Clients that share a list of programs.
#[derive(Debug)]
pub struct Load {
    share: Share,
    /// Before the names of its counters: those of another share are others.
    counters: String,
    ledger: String,
    caller: Caller,
    next: AtomicU64,
    is_stopping: AtomicBool,
    submitted: Mutex<Submitted>,
}

impl Load {
    pub fn new(share: Share, ledger: &str, caller: &Caller) -> Arc<Self> {
        Arc::new(Self {
            counters: format!("{}-", share.first),
            ledger: ledger.to_owned(),
            caller: caller.clone(),
            next: AtomicU64::new(share.first),
            is_stopping: AtomicBool::new(false),
            submitted: Mutex::default(),
            share,
        })
    }

    pub fn start(self: &Arc<Self>, clients: usize) -> JoinSet<()> {
        (0..clients).map(|_| Arc::clone(self).submit_programs()).collect()
    }

    /// Clients finish what they have begun, and end.
    pub fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// How many programs there are, if they have an end.
    pub fn programs(&self) -> Option<u64> {
        self.share.end.map(|end| end - self.share.first)
    }

    /// Programs that were begun, and whether that is all.
    pub fn begun(&self) -> (u64, bool) {
        let begun = self.next.load(Ordering::Relaxed);
        let end = self.share.end.unwrap_or(u64::MAX);
        (begun.min(end) - self.share.first, end <= begun)
    }

    /// What was submitted since this was last asked for.
    pub fn take_submitted(&self) -> Submitted {
        std::mem::take(&mut self.submitted.lock().expect("no client panics with it"))
    }

    fn note(&self, note: impl FnOnce(&mut Submitted)) {
        note(&mut self.submitted.lock().expect("no client panics with it"));
    }

    async fn submit_programs(self: Arc<Self>) {
        while !self.is_stopping.load(Ordering::Relaxed) {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            if self.share.end.is_some_and(|end| end <= index) {
                return;
            }
            match index % 16 {
                0 | 8 => self.add_without_key(index).await,
                1 | 2 | 9 => self.send(index).await,
                3 => self.resolve_from_outside(index).await,
                10 => self.signal_from_outside(index).await,
                11 => self.run_workflow_from_outside(index).await,
                _ => self.call(index).await,
            }
        }
    }

    fn random_program(&self, index: u64) -> Program {
        let (seed, counters, ledger) = (self.share.seed, &self.counters, &self.ledger);
        random_program(Origin { seed, index, counters, ledger })
    }

    /// Its net effect is expected from now on: its client does not rest before it is answered.
    fn program(&self, index: u64) -> Program {
        let program = self.random_program(index);
        self.note(|submitted| submitted.expected.merge(Expected::of(&program)));
        program
    }

    async fn call(&self, index: u64) {
        let program = self.program(index);
        let request = Request::post("/Worker/mixed").idempotency_key(&format!("call-{index}")).json(&program);
        let reply = self.caller.until_answered(request.clone()).await;
        let (id, status, outcome) = (reply.id(), program.status(), Some(reply.outcome()));
        assert_eq!(reply.status, status, "{reply}");
        self.note(|submitted| submitted.acknowledged.push(Acknowledged { request, id, status, outcome }));
    }

    async fn send(&self, index: u64) {
        let program = self.program(index);
        let path = if index % 16 == 1 { "/Worker/mixed/send?delay=300ms" } else { "/Worker/mixed/send" };
        let request = Request::post(path).idempotency_key(&format!("send-{index}")).json(&program);
        let reply = self.caller.until_answered(request.clone()).await;
        assert_eq!(reply.status, 202, "{reply}");
        let (id, status, outcome) = (reply.id(), program.status(), None);
        self.note(|submitted| submitted.acknowledged.push(Acknowledged { request, id, status, outcome }));
    }

    /// The program waits in the middle for an answer from here. An answer that was accepted and lost would leave it
    /// waiting for ever.
    async fn resolve_from_outside(&self, index: u64) {
        let mut program = self.random_program(index);
        let gate = format!("g{index}");
        program.steps.insert(program.steps.len() / 2, Step::Hold { gate: gate.clone() });
        self.note(|submitted| submitted.expected.merge(Expected::of(&program)));
        let request = Request::post("/Worker/mixed/send").idempotency_key(&gate).json(&program);
        let sent = self.caller.until_answered(request.clone()).await;
        assert_eq!(sent.status, 202, "{sent}");
        let (id, status, outcome) = (sent.id(), program.status(), None);
        self.note(|submitted| submitted.acknowledged.push(Acknowledged { request, id, status, outcome }));

        let shown = Request::get(format!("/Gate/{gate}/id"));
        let awakeable: String = loop {
            let reply = self.caller.until_answered(shown.clone()).await;
            match reply.parsed::<Option<String>>() {
                Some(id) => break id,
                None => tokio::time::sleep(POLL_PAUSE).await,
            }
        };
        let resolve = Request::post(format!("/relight/awakeables/{awakeable}/resolve")).json(&"open");
        let resolved = self.caller.until_answered(resolve).await;
        assert_eq!(resolved.status, 202, "{resolved}");
    }

    /// The same with a signal. One that is sent twice, for want of an answer, is waited for once.
    async fn signal_from_outside(&self, index: u64) {
        let mut program = self.random_program(index);
        let name = format!("s{index}");
        program.steps.insert(program.steps.len() / 2, Step::Listen { name: name.clone() });
        self.note(|submitted| submitted.expected.merge(Expected::of(&program)));
        let request = Request::post("/Worker/mixed/send").idempotency_key(&name).json(&program);
        let sent = self.caller.until_answered(request.clone()).await;
        assert_eq!(sent.status, 202, "{sent}");
        let (id, status, outcome) = (sent.id(), program.status(), None);
        let signal = Request::post(format!("/relight/signals/{id}/{name}/resolve")).json(&"listen");
        let signalled = self.caller.until_answered(signal).await;
        // It may have got the first of two, and be completed.
        assert!(matches!(signalled.status, 202 | 409), "{signalled}");
        self.note(|submitted| submitted.acknowledged.push(Acknowledged { request, id, status, outcome }));
    }

    /// A workflow runs once however often it is asked for; the promise that it waits for is completed from here.
    async fn run_workflow_from_outside(&self, index: u64) {
        let program = self.random_program(index);
        let steps = program.steps.into_iter().filter(|step| !matches!(step, Step::Fail)).collect::<Vec<_>>();
        let counter = format!("{}b{}", self.counters, index / 16 % 6);
        let add = Add { counter, op: format!("flow{index}"), amount: 5 };
        let (key, journey) =
            (format!("f{index}"), json!({"ledger": self.ledger, "steps": steps, "add": add}));
        let workflow = Step::Workflow { key: key.clone(), add, steps };
        let whole = Program { ledger: self.ledger.clone(), steps: vec![workflow] };
        self.note(|submitted| submitted.expected.merge(Expected::of(&whole)));
        let request = Request::post(format!("/Flow/{key}/run/send")).json(&journey);
        let sent = self.caller.until_answered(request.clone()).await;
        assert_eq!(sent.status, 202, "{sent}");
        let open = Request::post(format!("/relight/promises/Flow/{key}/gate/resolve")).json(&5);
        let opened = self.caller.until_answered(open).await;
        // The first of two may have been carried out.
        assert!(matches!(opened.status, 202 | 409), "{opened}");
        let arrival = self.caller.until_answered(Request::post(format!("/Flow/{key}/arrival"))).await;
        let attached =
            self.caller.until_answered(Request::get(format!("/relight/attach/{}", sent.id()))).await;
        assert_eq!((arrival.status, &arrival.body), (200, &attached.body), "{arrival}, {attached}");
        let (id, status, outcome) = (sent.id(), 200, None);
        self.note(|submitted| submitted.acknowledged.push(Acknowledged { request, id, status, outcome }));
    }

    /// Sends once. Whoever gets no answer does not know whether it was accepted.
    async fn add_without_key(&self, index: u64) {
        let counter = format!("{}b{}", self.counters, index / 8 % 6);
        let add = Add { counter, op: format!("plain{index}"), amount: 1 };
        let path = format!("/Counter/{}/add/send", add.counter);
        let body = json!({ "op": add.op, "amount": add.amount });
        match self.caller.once(&Request::post(path).json(&body)).await {
            Ok(reply) if reply.status == 202 => self.note(|submitted| submitted.expected.expect_add(&add)),
            Ok(reply) if reply.status == 503 => self.note(|submitted| submitted.perhaps.push(add)),
            Ok(reply) => panic!("{reply}"),
            Err(_) => self.note(|submitted| submitted.perhaps.push(add)),
        }
    }
}
