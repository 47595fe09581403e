//! A program for `wasm32-wasip2`: what its standard library gets from WASI.

use std::sync::Arc;

use relight_core::{
    InvocationId,
    command::{AttemptErrorKind, Command},
};
use serde_json::{Value, json};

use crate::rig::{Deployed, Life, Options, Rig, start_effect};

async fn program() -> (Rig, Deployed) {
    let rig = Rig::new(Options::default());
    let mut deployed = rig.deploy("wasi").await;
    let deployment = Arc::make_mut(&mut deployed.deployment);
    deployment.env = vec![("GREETING".to_owned(), "hello".to_owned())];
    (rig, deployed)
}

async fn facts(rig: &Rig, deployed: &Deployed, unique: u128) -> Value {
    let mut life = Life::new(deployed, "Wasi/facts", "");
    life.id = InvocationId { unique, ..life.id };
    let output = Life::output(life.end_after_runs(rig).await);
    serde_json::from_str(&output).expect("JSON")
}

#[tokio::test]
async fn a_program_sees_what_belongs_to_its_invocation() {
    let (rig, deployed) = program().await;
    // The handler compares what its second attempt sees with what the first one saw.
    let (first, again, other) =
        (facts(&rig, &deployed, 1).await, facts(&rig, &deployed, 1).await, facts(&rig, &deployed, 2).await);
    for name in ["random", "hash_order"] {
        assert_eq!(first[name], again[name], "{name}");
        assert_ne!(first[name], other[name], "{name}");
    }
    assert_eq!((&first["greeting"], &first["arguments"]), (&json!("hello"), &json!(["handler"])));
}

#[tokio::test]
async fn waiting_by_looking_at_a_clock_ends_after_as_many_looks_each_time() {
    let (rig, deployed) = program().await;
    for _ in 0..2 {
        let mut life = Life::new(&deployed, "Wasi/waits_by_looking", "");
        life.start(&rig);
        assert_eq!(Life::output(life.end(&rig).await), "9999");
    }
}

#[tokio::test]
async fn sleeping_in_a_handler_is_refused_with_the_way_to_do_it() {
    let (rig, deployed) = program().await;
    let mut life = Life::new(&deployed, "Wasi/sleeps", "");
    life.start(&rig);
    let error = Life::error(life.end(&rig).await, AttemptErrorKind::Retryable);
    assert!(error.message.contains("use the durable sleep of the SDK"), "{}", error.message);
}

#[tokio::test]
async fn there_is_no_input_no_file_and_no_time_to_sleep() {
    let (rig, deployed) = program().await;
    for target in ["Wasi/looks_around", "Wasi/sleeps_for_no_time"] {
        let mut life = Life::new(&deployed, target, "");
        life.start(&rig);
        assert_eq!(Life::output(life.end(&rig).await), "null", "{target}");
    }
}

#[tokio::test]
async fn a_program_that_ends_itself_has_failed_with_what_it_wrote_last() {
    let (rig, deployed) = program().await;
    let mut life = Life::new(&deployed, "Wasi/exits", "");
    life.start(&rig);
    let error = Life::error(life.end(&rig).await, AttemptErrorKind::Retryable);
    assert!(error.message.starts_with("out of luck\nthe program ended itself"), "{}", error.message);
}

#[tokio::test]
async fn an_effect_lives_in_real_time() {
    let (rig, deployed) = program().await;
    let _running = start_effect(&rig, deployed.deployment.clone(), "nap", "20");
    let command = rig.leader.next().await;
    let Command::EffectCompleted { outcome: Ok(times), .. } = command else { panic!("{command:?}") };
    let times: [u64; 2] = serde_json::from_slice(&times).expect("two times");
    assert!(times[0] + 20 <= times[1], "{times:?}");
}

#[tokio::test]
async fn imports_of_wasi_are_listed_with_the_others() {
    let rig = Rig::new(Options::default());
    let imports = rig.deploy("wasi").await.checked.imports;
    for import in
        ["wasi:cli/environment.get-environment", "wasi:clocks/wall-clock.now", "relight:handler/ops.effect"]
    {
        assert!(imports.iter().any(|name| name == import), "{import}: {imports:?}");
    }
}
