//! What handlers can do, on one and on eight partitions and on both logs.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use relight_core::action::Answer;
use relight_core::command::{Command, EffectError, NewInvocation};
use relight_core::ids::{AwakeableId, EntryIndex, InvocationId};
use relight_core::value::{Outcome, Value};

use crate::fixture::{Fixture, Running, key_elsewhere, new_invocation, now, object, request, service};
use crate::script::{Ctx, Linger, Script, bytes};

pub fn number(bytes: Option<Bytes>) -> u64 {
    bytes.map_or(0, |bytes| std::str::from_utf8(&bytes).unwrap().parse().unwrap())
}

pub async fn greet(ctx: Ctx) -> Outcome {
    Ok(format!("Hello {}", ctx.text()).into())
}

pub async fn add(ctx: Ctx) -> Outcome {
    let count = number(ctx.get("count")) + number(Some(ctx.input()));
    ctx.set("count", count.to_string());
    Ok(count.to_string().into())
}

/// Adds 1 to each counter named in the input, and answers the sum of what they say.
pub async fn add_to_many(ctx: Ctx) -> Outcome {
    let text = ctx.text();
    let handles: Vec<_> = text.split(',').map(|key| ctx.call(object("counter", key, "add"), "1")).collect();
    let values = ctx.wait_all(&handles).await;
    Ok(values.into_iter().map(|value| number(Some(bytes(value)))).sum::<u64>().to_string().into())
}

pub async fn sleep(ctx: Ctx) -> Outcome {
    assert_eq!(ctx.wait(ctx.timer(number(Some(ctx.input())))).await, Value::Void);
    Ok(Bytes::new())
}

pub async fn wait_for_signal(ctx: Ctx) -> Outcome {
    let (handle, id) = ctx.awakeable();
    ctx.set("awakeable", id.to_string());
    Ok(bytes(ctx.wait(handle).await))
}

/// Resolves the awakeable of `wait_for_signal`.
pub async fn signal(running: &Running, id: InvocationId) {
    let incarnation = running.row(id).await.unwrap().incarnation;
    let id = AwakeableId { invocation: id, incarnation, index: EntryIndex(1) };
    let command = Command::ResolveAwakeable { request: request(), id, outcome: Ok("signal".into()) };
    assert_eq!(running.of(id.invocation).command(command).await, Ok(Answer::Resolved));
}

async fn fetch(ctx: Ctx) -> Outcome {
    Ok(bytes(ctx.wait(ctx.effect("flaky", ctx.input())).await))
}

pub fn script(linger: Linger) -> Script {
    Script::new(linger)
        .handler("Greeter/greet", greet)
        .handler("Fan/out", add_to_many)
        .handler("Sleeper/sleep", sleep)
        .handler("Fetcher/fetch", fetch)
        .handler("counter/add", add)
        .handler("waiter/wait", wait_for_signal)
        .effect("flaky", |attempt, input| async move {
            if attempt < 3 {
                return Err(EffectError { message: format!("attempt {attempt}"), retry_after: None });
            }
            Ok(Ok(format!("{} by attempt {attempt}", std::str::from_utf8(&input).unwrap()).into()))
        })
}

/// Runs a flow on every kind of node.
async fn on_all<F: Future<Output = ()>>(flow: impl Fn(Running) -> F) {
    for (fixture, linger) in [
        (Fixture::memory(1), Linger::None),
        (Fixture::memory(8), Linger::Forever),
        (Fixture::memory(8), Linger::None),
        (Fixture::raft(8), Linger::None),
    ] {
        flow(fixture.start(script(linger)).await).await;
        assert!(fixture.faults.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_handler_answers() {
    on_all(async |running: Running| {
        assert_eq!(running.call(service("Greeter", "greet"), "World").await, Ok("Hello World".into()));
        running.stop().await;
    })
    .await;
}

#[tokio::test]
async fn an_object_counts_every_call_once_and_in_turn() {
    on_all(async |running: Running| {
        let calls = (0..20).map(|_| running.call(object("counter", "a", "add"), "1"));
        let mut counts: Vec<u64> =
            join_all(calls).await.into_iter().map(|outcome| number(outcome.ok())).collect();
        counts.sort_unstable();
        assert_eq!(counts, (1..=20).collect::<Vec<_>>());
        running.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_calls_objects_on_every_partition() {
    on_all(async |running: Running| {
        let keys: Vec<_> = (0..40).map(|n| format!("key{n}")).collect();
        let keys = keys.join(",");
        assert_eq!(running.call(service("Fan", "out"), keys.clone()).await, Ok("40".into()));
        assert_eq!(running.call(service("Fan", "out"), keys).await, Ok("80".into()));
        running.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_timer_fires_not_before_its_time() {
    on_all(async |running: Running| {
        let begin = now();
        assert_eq!(running.call(service("Sleeper", "sleep"), "30").await, Ok(Bytes::new()));
        assert!(30 <= now().since(begin).0);
        running.stop().await;
    })
    .await;
}

#[tokio::test]
async fn an_awakeable_is_resolved_from_a_door() {
    on_all(async |running: Running| {
        let id = running.send(object("waiter", "a", "wait"), "").await;
        // The invocation has made its two operations.
        running.until_row(id, |row| row.journal.operations == 3).await;
        signal(&running, id).await;
        assert_eq!(running.result(id).await, Ok("signal".into()));
        running.stop().await;
    })
    .await;
}

#[tokio::test]
async fn an_effect_is_retried_until_it_succeeds() {
    on_all(async |running: Running| {
        assert_eq!(running.call(service("Fetcher", "fetch"), "x").await, Ok("x by attempt 3".into()));
        assert_eq!(running.script.effects_started.load(Ordering::SeqCst), 3);
        running.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_suspended_invocation_is_resumed_in_a_new_attempt() {
    let fixture = Fixture::memory(1);
    let running = fixture.start(script(Linger::None)).await;
    assert_eq!(running.call(service("Sleeper", "sleep"), "20").await, Ok(Bytes::new()));
    assert_eq!(running.script.attempts_started.load(Ordering::SeqCst), 2);
    running.stop().await;
}

#[tokio::test]
async fn a_running_attempt_is_notified_and_goes_on() {
    let fixture = Fixture::memory(8);
    let running = fixture.start(script(Linger::Forever)).await;
    assert_eq!(running.call(service("Sleeper", "sleep"), "20").await, Ok(Bytes::new()));
    assert_eq!(running.script.attempts_started.load(Ordering::SeqCst), 1);
    running.stop().await;
}

/// The clock of the runtime is paused: it moves only when nothing but a timer can go on.
#[tokio::test(start_paused = true)]
async fn a_call_to_another_partition_waits_for_no_timer() {
    let fixture = Fixture::memory(8);
    let running = fixture.start(script(Linger::Forever)).await;
    let invocation = new_invocation(service("Fan", "out"), Bytes::new(), None);
    let key = key_elsewhere(fixture.partitioning, "counter", running.of(invocation.id).id());
    let begin = tokio::time::Instant::now();
    let called = running.call_new(NewInvocation { input: key.into(), ..invocation });
    assert_eq!(called.await, Ok(Ok("1".into())));
    assert_eq!(begin.elapsed(), Duration::ZERO);
    running.stop().await;
}

#[tokio::test]
async fn more_invocations_than_slots_all_run() {
    let fixture = Fixture::memory(8);
    let running = fixture.start(script(Linger::None).capacity(2)).await;
    let names: Vec<_> = (0..100).map(|n| n.to_string()).collect();
    let calls = names.iter().map(|name| running.call(service("Greeter", "greet"), name.clone()));
    let expected: Vec<Outcome> = names.iter().map(|name| Ok(format!("Hello {name}").into())).collect();
    assert_eq!(join_all(calls).await, expected);
    running.stop().await;
}

#[tokio::test]
async fn a_handler_that_panics_is_retried() {
    let fixture = Fixture::memory(1);
    let passes = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let script = Script::new(Linger::None).handler("Panics/once", move |ctx: Ctx| {
        let passes = std::sync::Arc::clone(&passes);
        async move {
            assert!(0 < passes.fetch_add(1, Ordering::SeqCst), "the first pass");
            greet(ctx).await
        }
    });
    let running = fixture.start(script).await;
    assert_eq!(running.call(service("Panics", "once"), "again").await, Ok("Hello again".into()));
    running.stop().await;
}

#[tokio::test]
async fn large_state_is_read_and_listed_like_small_state() {
    const KEYS: usize = 300;
    let fixture = Fixture::memory(1);
    let script = Script::new(Linger::None)
        .handler("large/fill", |ctx: Ctx| async move {
            (0..KEYS).for_each(|n| ctx.set(&format!("key{n:03}"), n.to_string()));
            Ok(Bytes::new())
        })
        .handler("large/look", |ctx: Ctx| async move {
            let keys = ctx.keys();
            assert!(keys.is_sorted());
            let last = ctx.get(&format!("key{:03}", KEYS - 1)).unwrap();
            assert_eq!(ctx.get("nothing"), None);
            Ok(format!("{} {}", keys.len(), std::str::from_utf8(&last).unwrap()).into())
        });
    let running = fixture.start(script).await;
    running.call(object("large", "a", "fill"), "").await.unwrap();
    assert_eq!(running.call(object("large", "a", "look"), "").await, Ok("300 299".into()));
    assert_eq!(running.script.attempts_started.load(Ordering::SeqCst), 2);
    running.stop().await;
}

pub async fn join_all<T>(futures: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut futures: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut values: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        for (future, value) in futures.iter_mut().zip(&mut values) {
            if value.is_none()
                && let std::task::Poll::Ready(ready) = future.as_mut().poll(cx)
            {
                *value = Some(ready);
            }
        }
        if values.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    values.into_iter().flatten().collect()
}
