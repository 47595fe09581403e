//! Instances whose handlers wait, where nobody has said for how long: they are kept as long as the rule says, and fewer of
//! them when room is needed.

use std::time::Duration;

use relight_core::{Command, InvocationId, Value};

use crate::rig::{Deployed, End, Life, Options, Rig};

/// Every instance is dear.
fn options() -> Options {
    Options { suspend_after: None, keep: |_| Duration::from_secs(3600), ..Options::default() }
}

/// A handler that waits for its awakeable, operation 1.
async fn waiting(rig: &Rig, deployed: &Deployed, unique: u128) -> Life {
    let mut life = Life::new(deployed, "Awakeables/k/wait", "");
    life.id = InvocationId { unique, ..life.id };
    life.start(rig);
    life.until_operations(rig, 3).await;
    life
}

async fn until_warm(rig: &Rig, instances: u64) {
    while rig.executor.stats().instances_warm != instances {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_dear_instance_is_kept_and_goes_on_where_it_is() {
    let rig = Rig::new(options());
    let deployed = rig.deploy("conformance").await;
    let mut life = waiting(&rig, &deployed, 1).await;
    until_warm(&rig, 1).await;
    life.complete(1, Value::Success(r#""here""#.into()));
    let end = life.end(&rig).await;
    assert_eq!(Life::output(end), r#""here""#);
    let stats = rig.executor.stats();
    assert_eq!((stats.waits_kept, stats.waits_cut_short, stats.suspensions_proposed), (1, 0, 0));
    assert_eq!(stats.instances_created, 1 + 1, "one to describe, one to run");
    assert_eq!((stats.instances_warm, stats.warm_bytes), (0, 0));
}

#[tokio::test]
async fn a_cheap_instance_is_given_up_when_its_moment_is_over() {
    let rig = Rig::new(Options { keep: |_| Duration::from_millis(1), ..options() });
    let deployed = rig.deploy("conformance").await;
    let mut life = waiting(&rig, &deployed, 1).await;
    let End::Suspended(_) = life.end(&rig).await else { panic!("it waits") };
    life.drop_attempt();
    until_warm(&rig, 0).await;
    let stats = rig.executor.stats();
    assert_eq!((stats.waits_kept, stats.waits_cut_short, stats.suspensions_proposed), (0, 0, 1));
}

#[tokio::test]
async fn the_rule_is_asked_with_what_an_instance_takes() {
    let rig = Rig::new(Options {
        keep: |start_cost| {
            assert!((Duration::from_micros(1)..Duration::from_secs(1)).contains(&start_cost));
            Duration::from_secs(3600)
        },
        ..options()
    });
    let deployed = rig.deploy("conformance").await;
    let _life = waiting(&rig, &deployed, 1).await;
    until_warm(&rig, 1).await;
}

#[tokio::test]
async fn when_three_quarters_of_the_instances_live_the_first_makes_room() {
    let rig = Rig::new(Options { attempts_max: 4, ..options() });
    let deployed = rig.deploy("conformance").await;
    let mut lives = Vec::new();
    for unique in 1..=3 {
        lives.push(waiting(&rig, &deployed, unique).await);
        until_warm(&rig, lives.len() as u64).await;
    }
    assert_eq!(rig.executor.stats().waits_cut_short, 0);
    assert!(rig.leader.try_next().await.is_none(), "there is room for three");

    let mut fourth = Life::new(&deployed, "State/k/own_writes_are_visible", "");
    fourth.id = InvocationId { unique: 4, ..fourth.id };
    fourth.start(&rig);
    let (mut end, mut gone) = (None, Vec::new());
    while end.is_none() || gone.is_empty() {
        match rig.leader.next().await {
            Command::Suspend { id, .. } => gone.push(id.unique),
            command => end = fourth.apply(command),
        }
    }
    Life::output(end.expect("the loop ends with it"));
    assert_eq!(gone, [1], "the one that has waited longest, and no other");
    let stats = rig.executor.stats();
    assert_eq!((stats.instances_warm, stats.waits_cut_short), (2, 1));

    // What has gone is rebuilt, and goes on.
    let mut first = lives.swap_remove(0);
    first.drop_attempt();
    first.complete(1, Value::Success(r#""here""#.into()));
    first.start(&rig);
    let end = first.end(&rig).await;
    assert_eq!(Life::output(end), r#""here""#);
}

#[tokio::test]
async fn waiting_instances_stay_within_their_memory() {
    // One instance has a few MiB.
    let warm_bytes_max = 8 << 20;
    let rig = Rig::new(Options { attempts_max: 100, warm_bytes_max, ..options() });
    let deployed = rig.deploy("conformance").await;
    let mut lives = vec![waiting(&rig, &deployed, 1).await];
    until_warm(&rig, 1).await;
    let bytes = rig.executor.stats().warm_bytes;
    let fit = warm_bytes_max / bytes;
    assert!((1..=16).contains(&fit), "{fit} instances of {bytes} bytes fit");
    for unique in 2..=u128::from(fit) {
        lives.push(waiting(&rig, &deployed, unique).await);
        until_warm(&rig, lives.len() as u64).await;
    }
    assert_eq!(rig.executor.stats().waits_cut_short, 0);

    lives.push(waiting(&rig, &deployed, u128::from(fit) + 1).await);
    let Command::Suspend { id, .. } = rig.leader.next().await else { panic!("one too many waits") };
    assert_eq!(id.unique, 1, "the one that has waited longest");
    let stats = rig.executor.stats();
    assert_eq!((stats.instances_warm, stats.waits_cut_short), (fit, 1));
    assert!(stats.warm_bytes <= warm_bytes_max);
}

#[tokio::test]
async fn no_instance_is_kept_for_a_timer_that_is_due_later() {
    let rig = Rig::new(options());
    let deployed = rig.deploy("conformance").await;
    let mut late = Life::new(&deployed, "Timers/sleep", "7200000");
    late.start(&rig);
    let End::Suspended(_) = late.end(&rig).await else { panic!("it would wait in vain") };
    assert_eq!(rig.executor.stats().instances_warm, 0, "it was given up at once");

    let mut soon = Life::new(&deployed, "Timers/sleep", "60000");
    soon.start(&rig);
    soon.until_operations(&rig, 2).await;
    until_warm(&rig, 1).await;
}

#[tokio::test]
async fn what_its_user_has_said_counts_alone() {
    let rig = Rig::new(Options { suspend_after: Some(Duration::ZERO), ..options() });
    let deployed = rig.deploy("conformance").await;
    let mut life = waiting(&rig, &deployed, 1).await;
    let End::Suspended(_) = life.end(&rig).await else { panic!("it waits") };
    assert_eq!(rig.executor.stats().instances_warm, 0);
}
