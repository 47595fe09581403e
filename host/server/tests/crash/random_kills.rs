//! kill -9 at random times under load.

use std::{
    env,
    str::FromStr,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tokio::{sync::watch, time::timeout};

use crate::{
    check::{check_all, until_finished},
    component::deploy,
    http::Caller,
    ledger::Ledger,
    load::Load,
    program::Random,
    server::{Addresses, Environment, Place, Server},
};

/// Enough that every kill finds something under way in every part of the server.
const CLIENTS: usize = 12;
/// The longest time between a start and its kill.
const LIFE_MAX_MS: u64 = 1400;
/// One kill in so many comes while the server starts.
const KILLS_IN_START: u64 = 5;
/// One end in so many is not a kill: the server is asked to stop.
const POLITE_ENDS: u64 = 10;
/// For requests that were sent before the last kill: they are answered when their programs are finished.
const ANSWERS_MAX: Duration = Duration::from_secs(90);

struct Plan {
    kills: u64,
    least: Duration,
    environment: Environment,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_kills_lose_nothing_and_repeat_nothing() {
    survive_kills(Plan::with_kills(20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_kills_lose_nothing_when_every_wait_suspends() {
    let environment = vec![("RELIGHT_EXECUTOR__SUSPEND_AFTER", "0".to_owned())];
    survive_kills(Plan { environment, ..Plan::with_kills(8) }).await;
}

impl Plan {
    /// So many kills, unless the environment asks for others.
    fn with_kills(kills: u64) -> Self {
        Self {
            kills: number("RELIGHT_CRASH_KILLS").unwrap_or(kills),
            least: Duration::from_secs(number("RELIGHT_CRASH_SECONDS").unwrap_or(0)),
            environment: Environment::new(),
        }
    }
}

async fn survive_kills(plan: Plan) {
    let seed = Seed::new();
    let mut random = Random::new(seed.0);
    let ledger = Ledger::start().await;
    let place = Place::new();
    let (here, whereabouts) = watch::channel(None);
    let caller = Caller::new(whereabouts);

    let server = place.start(&plan.environment).await;
    here.send_replace(Some(server.addresses()));
    deploy(&caller).await;
    let load = Load::new(random.next(), &ledger.url, &caller);
    let mut clients = load.start(CLIENTS);
    let server = kill_often(&place, &plan, &mut random, &here, server).await;
    load.stop();
    let answered =
        async { while clients.join_next().await.transpose().expect("a client failed").is_some() {} };
    if timeout(ANSWERS_MAX, answered).await.is_err() {
        until_finished(&caller).await;
        panic!("a request was not answered although every invocation is finished");
    }

    let submitted = load.take_submitted();
    eprintln!(
        "{} requests acknowledged, {} unknown, {} payments, {} additions",
        submitted.acknowledged.len(),
        submitted.perhaps.len(),
        submitted.expected.payments.len(),
        submitted.expected.counters.values().map(std::collections::BTreeMap::len).sum::<usize>()
    );
    until_finished(&caller).await;
    check_all(&caller, &submitted, &ledger).await;
    let payments = ledger.payments();

    // What is finished stays so, through another death.
    here.send_replace(None);
    server.kill().await;
    let server = place.start(&plan.environment).await;
    here.send_replace(Some(server.addresses()));
    until_finished(&caller).await;
    check_all(&caller, &submitted, &ledger).await;
    assert_eq!(ledger.payments(), payments, "an effect of a finished invocation ran again");

    let status = server.stop().await;
    assert!(status.success(), "{status}");
    assert!(submitted.acknowledged.len() > CLIENTS, "hardly anything was under way");
    place.check_log(&[]);
}

/// Gives the server that is there after the last kill.
async fn kill_often(
    place: &Place,
    plan: &Plan,
    random: &mut Random,
    here: &watch::Sender<Option<Addresses>>,
    mut server: Server,
) -> Server {
    let started = Instant::now();
    let mut kills = 0;
    while kills < plan.kills || started.elapsed() < plan.least {
        tokio::time::sleep(Duration::from_millis(30 + random.below(LIFE_MAX_MS))).await;
        if random.below(POLITE_ENDS) == 0 {
            // It answers while it stops.
            let status = server.stop().await;
            assert!(status.success(), "{status}");
            here.send_replace(None);
        } else {
            here.send_replace(None);
            server.kill().await;
            kills += 1;
        }
        if random.below(KILLS_IN_START) == 0 {
            let starting = place.spawn("server", &plan.environment);
            tokio::time::sleep(Duration::from_millis(random.below(400))).await;
            starting.kill().await;
            kills += 1;
        }
        server = place.start(&plan.environment).await;
        here.send_replace(Some(server.addresses()));
    }
    server
}

fn number<N: FromStr>(variable: &str) -> Option<N> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("`{variable}` is `{text}`, not a number")))
}

/// The seed of a test; printed when it fails.
struct Seed(u64);

impl Seed {
    fn new() -> Self {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
        Self(number("RELIGHT_CRASH_SEED").unwrap_or(time.subsec_nanos().into()))
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("to repeat: RELIGHT_CRASH_SEED={}", self.0);
        }
    }
}
