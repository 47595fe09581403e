//! A leader is ahead of its log: attempts start at once, and nothing leaves before it is durable.

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use relight_core::command::EffectError;
use relight_core::ids::PartitionId;
use relight_log::Log;
use relight_log::raft::{Driver, Options};
use relight_partition::{DoorError, PartitionHandle};

use crate::fixture::{Fixture, Logs, Running, new_invocation, object, service};
use crate::flows::{add, greet};
use crate::loss::FlakyLog;
use crate::script::{Ctx, Linger, Script};

/// Looks at what must not happen yet.
const LOOKS: usize = 50;

/// A log that makes durable what it has when the test says so.
fn manual(folder: &Path) -> (Driver, Fixture) {
    let (mut driver, groups) = Driver::open(&Options::new(folder, 1)).expect("an empty folder");
    driver.pass(Duration::ZERO).expect("the disk is good");
    let logs = groups.into_iter().map(|group| Arc::new(group) as Arc<dyn Log>).collect();
    (driver, Fixture::new(1, Logs::Other(logs)))
}

/// Runs `future` to its end, with a log that makes everything durable at once.
async fn with_passes<T>(driver: &mut Driver, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        tokio::select! {
            biased;
            output = &mut future => return output,
            () = tokio::task::yield_now() => driver.pass(Duration::ZERO).map(drop).expect("the disk is good"),
        }
    }
}

/// Waits until something is on its way into the log, and then looks on whether `future` ends.
async fn ends_without_a_pass(handle: &PartitionHandle, future: &mut (impl Future + Unpin)) -> bool {
    let mut looks = 0;
    while looks < LOOKS {
        let context = &mut Context::from_waker(Waker::noop());
        if std::pin::Pin::new(&mut *future).poll(context).is_ready() {
            return true;
        }
        looks += usize::from(0 < handle.status().stats.appends_in_flight);
        tokio::task::yield_now().await;
    }
    false
}

fn first(running: &Running) -> PartitionHandle {
    running.partitions.get(PartitionId(0)).clone()
}

#[tokio::test]
async fn a_handler_runs_at_once_and_its_answer_waits_for_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let (mut driver, fixture) = manual(folder.path());
    let script = Script::new(Linger::None).handler("Greeter/greet", greet);
    let running = with_passes(&mut driver, fixture.start(script)).await;
    let handle = first(&running);
    let invocation = new_invocation(service("Greeter", "greet"), "you".into(), None);
    let id = invocation.id;
    let mut call = Box::pin(running.call_new(invocation));
    assert!(!ends_without_a_pass(&handle, &mut call).await);
    assert_eq!(running.script.attempts_started.load(Ordering::SeqCst), 1);
    let mut read = Box::pin(running.row(id));
    assert!(!ends_without_a_pass(&handle, &mut read).await, "nobody sees what may vanish");
    let (called, row) = with_passes(&mut driver, async { tokio::join!(call, read) }).await;
    assert_eq!(called, Ok(Ok("Hello you".into())));
    assert!(row.is_some());
    running.stop().await;
}

#[tokio::test]
async fn effects_and_runs_wait_for_the_log() {
    static RAN: AtomicBool = AtomicBool::new(false);
    let folder = tempfile::tempdir().unwrap();
    let (mut driver, fixture) = manual(folder.path());
    let script = Script::new(Linger::Forever)
        .handler("Outside/run", |ctx: Ctx| async move {
            ctx.until_accepted().await;
            RAN.store(true, Ordering::SeqCst);
            Ok(Bytes::new())
        })
        .handler("Outside/effect", |ctx: Ctx| async move {
            ctx.wait(ctx.effect("touch", "")).await;
            Ok(Bytes::new())
        })
        .effect("touch", |_, _| async { Ok::<_, EffectError>(Ok(Bytes::new())) });
    let running = with_passes(&mut driver, fixture.start(script)).await;
    let handle = first(&running);
    let mut run = Box::pin(running.call(service("Outside", "run"), ""));
    let mut effect = Box::pin(running.call(service("Outside", "effect"), ""));
    assert!(!ends_without_a_pass(&handle, &mut run).await);
    assert!(!ends_without_a_pass(&handle, &mut effect).await);
    assert_eq!(running.script.attempts_started.load(Ordering::SeqCst), 2);
    assert!(!RAN.load(Ordering::SeqCst));
    assert_eq!(running.script.effects_started.load(Ordering::SeqCst), 0);
    let ended = with_passes(&mut driver, async { tokio::join!(run, effect) }).await;
    assert_eq!(ended, (Ok(Bytes::new()), Ok(Bytes::new())));
    assert_eq!(running.script.effects_started.load(Ordering::SeqCst), 1);
    running.stop().await;
}

/// Before it are those of the announcement, the deployment and a call or two.
fn the_fifth_append(append: usize) -> Option<usize> {
    (append == 4).then_some(0)
}

/// What a leader has applied vanishes with the append that took it to the log.
#[tokio::test]
async fn what_the_log_has_lost_is_forgotten() {
    let log = Arc::new(FlakyLog::new(0, the_fifth_append));
    let fixture = Fixture::new(1, Logs::Other(vec![Arc::clone(&log) as Arc<dyn Log>]));
    let running = fixture.start(Script::new(Linger::None).handler("counter/add", add)).await;
    let handle = first(&running);
    let target = || object("counter", "a", "add");
    let mut added = 0;
    while log.failed.load(Ordering::SeqCst) == 0 {
        match running.call_new(new_invocation(target(), "1".into(), None)).await {
            Ok(outcome) => {
                added += 1;
                assert_eq!(outcome, Ok(added.to_string().into()));
            }
            Err(error) => assert_eq!(error, DoorError::Unknown),
        }
    }
    handle.leading().await.unwrap();
    added += 1;
    let sum = running.call(target(), "1").await;
    assert_eq!(sum, Ok(added.to_string().into()), "none counts twice, and the one that was lost not at all");
    assert!(fixture.faults.lock().unwrap().is_empty());
    running.stop().await;
}
