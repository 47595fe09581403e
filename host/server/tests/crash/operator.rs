//! An operator who pauses and resumes invocations while they run: that changes when things happen, and nothing else.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hyper::Method;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::{
    generator::Random,
    http::{Caller, Request},
};

/// Longest time for which an invocation stays paused, and between two that are.
const PAUSE_MAX_MS: u64 = 60;

#[derive(Debug)]
pub struct Operator {
    is_stopping: Arc<AtomicBool>,
    work: JoinHandle<u64>,
}

impl Operator {
    pub fn start(caller: &Caller, random: Random) -> Self {
        let is_stopping = Arc::<AtomicBool>::default();
        let work = tokio::spawn(work(caller.clone(), random, Arc::clone(&is_stopping)));
        Self { is_stopping, work }
    }

    /// Resumes what is paused, and goes. Gives the number of invocations that were paused.
    pub async fn stop(self) -> u64 {
        self.is_stopping.store(true, Ordering::Relaxed);
        self.work.await.expect("the operator does not fail")
    }
}

async fn work(caller: Caller, mut random: Random, is_stopping: Arc<AtomicBool>) -> u64 {
    let mut paused = 0;
    while !is_stopping.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(random.below(PAUSE_MAX_MS))).await;
        let Some(id) = some_invocation(&caller, &mut random).await else { continue };
        // Resuming what is not paused tries at once what would be tried later.
        if random.below(4) > 0 {
            paused += u64::from(act(&caller, &id, "pause").await);
            tokio::time::sleep(Duration::from_millis(random.below(PAUSE_MAX_MS))).await;
        }
        act(&caller, &id, "resume").await;
    }
    paused
}

async fn some_invocation(caller: &Caller, random: &mut Random) -> Option<String> {
    let path = "/invocations?limit=100&status=running,backing-off,suspended";
    let page: Value = caller.until_answered(Request::admin(Method::GET, path)).await.parsed();
    let found = page["invocations"].as_array().expect("a list");
    let place = random.below(found.len().max(1) as u64);
    let invocation = found.get(usize::try_from(place).expect("a place in the list"))?;
    Some(invocation["id"].as_str().expect("an id").to_owned())
}

/// Whether it was done; it is not when the invocation has ended in the meantime.
async fn act(caller: &Caller, id: &str, verb: &str) -> bool {
    let request = Request::admin(Method::PATCH, format!("/invocations/{id}/{verb}"));
    let reply = caller.until_answered(request).await;
    assert!(matches!(reply.status, 200 | 202 | 404 | 409), "{verb}: {reply}");
    reply.status < 300
}
