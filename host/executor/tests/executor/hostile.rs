//! Guests that break limits: each ends with a message that names the limit, and nothing else is disturbed.

use relight_core::{
    command::{AttemptErrorKind, Command},
    value::DurationMs,
};

use crate::rig::{End, Life, Options, Rig};

async fn end_of(target: &str, input: &str) -> End {
    let rig = Rig::new(Options::default());
    let deployed = rig.deploy("hostile").await;
    let mut life = Life::new(&deployed, target, input);
    life.start(&rig);
    life.end(&rig).await
}

#[tokio::test]
async fn endless_loop_is_stopped_and_others_go_on() {
    let rig = Rig::new(Options::default());
    let hostile = rig.deploy("hostile").await;
    let bench = rig.deploy("bench").await;
    let mut looping = Life::new(&hostile, "Hostile/loop_for_ever", "");
    looping.start(&rig);
    // One worker thread runs both: the loop has to let this one through.
    let mut greeting = Life::new(&bench, "Greeter/greet", "1");
    greeting.start(&rig);
    let end = greeting.apply(rig.leader.next().await).expect("it ends");
    assert_eq!(Life::output(end), "1");
    let error = Life::error(looping.end(&rig).await, AttemptErrorKind::Retryable);
    assert!(error.message.contains("computed for 5000 ms without a host call"), "{}", error.message);
    assert!(error.message.contains("wasm backtrace"), "{}", error.message);
}

#[tokio::test]
async fn loop_with_host_calls_is_stopped_by_the_abort_timeout() {
    let rig = Rig::new(Options::default());
    let deployed = rig.deploy("hostile").await;
    let mut life = Life::new(&deployed, "Hostile/loop_over_the_clock", "");
    life.abort_timeout = DurationMs(200);
    life.start(&rig);
    let error = Life::error(life.end(&rig).await, AttemptErrorKind::Retryable);
    assert!(error.message.contains("ran for more than 200 ms"), "{}", error.message);
}

#[tokio::test]
async fn endless_recursion_is_a_trap() {
    let error = Life::error(end_of("Hostile/recurse_for_ever", "").await, AttemptErrorKind::Retryable);
    // The guest's own stack, which ends at address 0 of its memory, may be the first to end.
    let traps = ["call stack exhausted", "out of bounds memory access"];
    assert!(traps.iter().any(|trap| error.message.contains(trap)), "{}", error.message);
    assert!(error.message.contains("recurse"), "{}", error.message);
}

#[tokio::test]
async fn memory_limit_is_named() {
    let error = Life::error(end_of("Hostile/eat_memory", "").await, AttemptErrorKind::Retryable);
    assert!(error.message.contains("memory limit of 67108864 bytes exceeded"), "{}", error.message);
}

#[tokio::test]
async fn flood_of_sends_goes_no_faster_than_the_log() {
    let rig = Rig::new(Options::default());
    let deployed = rig.deploy("hostile").await;
    let mut life = Life::new(&deployed, "Hostile/flood_sends", "");
    life.start(&rig);
    // Nothing is accepted while these are collected. The runtime has one thread: a handler that proposes nothing
    // although it was let through so often is waiting.
    let mut held = vec![rig.leader.next().await];
    let mut idle = 0;
    while idle < 1_000 {
        match rig.leader.try_next().await {
            Some(command) => held.push(command),
            None => idle += 1,
        }
        tokio::task::yield_now().await;
    }
    let entries: usize = held
        .iter()
        .map(|command| match command {
            Command::Append { entries, .. } => entries.len(),
            other => panic!("a flood only appends: {other:?}"),
        })
        .sum();
    assert!((1_000..=1_200).contains(&entries), "{entries} entries in flight");
    for command in held {
        assert!(life.apply(command).is_none());
    }
    let error = Life::error(life.end(&rig).await, AttemptErrorKind::LimitExceeded);
    assert!(error.message.contains("limit of 50000 entries"), "{}", error.message);
}

#[tokio::test]
async fn flood_of_state_ends_at_the_bytes_of_a_journal() {
    let rig = Rig::new(Options::default());
    let deployed = rig.deploy("hostile").await;
    let mut life = Life::new(&deployed, "HostileObject/k/flood_state", "");
    life.start(&rig);
    let error = Life::error(life.end(&rig).await, AttemptErrorKind::LimitExceeded);
    assert!(error.message.contains("limit of 67108864 bytes"), "{}", error.message);
}

#[tokio::test]
async fn payloads_over_their_limits_are_named() {
    for (target, input, kind, expected) in [
        ("Hostile/large_result", "10485760", AttemptErrorKind::LimitExceeded, "limit of 10485760"),
        ("Hostile/large_message", "10485761", AttemptErrorKind::LimitExceeded, "limit of 10485760"),
        ("Hostile/large_headers", "16385", AttemptErrorKind::Retryable, "limit of 16384"),
        ("HostileObject/k/large_value", "1048577", AttemptErrorKind::LimitExceeded, "limit of 1048576"),
        ("HostileObject/k/long_name", "1025", AttemptErrorKind::LimitExceeded, "limit of 1024"),
        ("Hostile/large_message", "17000000", AttemptErrorKind::Retryable, "fuel"),
    ] {
        let error = Life::error(end_of(target, input).await, kind);
        assert!(error.message.contains(expected), "{target}: {}", error.message);
    }
}

#[tokio::test]
async fn floods_of_logs_and_failures_are_cut() {
    Life::output(end_of("Hostile/flood_logs", "5000").await);
    Life::output(end_of("Hostile/long_log_line", "1000000").await);
    let failure = Life::failure(end_of("Hostile/large_failure", "1000000").await);
    assert_eq!(failure.message.chars().count(), relight_core::limits::FAILURE_MESSAGE_CHARS_MAX);
}
