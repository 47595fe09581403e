//! kill -9 at random times under load.

use std::{
    collections::BTreeMap,
    env, fs,
    str::FromStr,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tokio::{sync::watch, time::timeout};

use crate::{
    check::{Submitted, check_all, until_finished},
    component::deploy,
    generator::Random,
    http::Caller,
    ledger::Ledger,
    load::{Load, Share},
    operator::Operator,
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
/// Programs of a long run that are checked and forgotten together: what the driver holds is bounded by them.
const SHARE: u64 = 1_000;
const POLL_PAUSE: Duration = Duration::from_millis(20);

struct Plan {
    kills: u64,
    least: Duration,
    /// All programs, and the first of them; none: as many as there are between the kills.
    programs: Option<(u64, u64)>,
    environment: Environment,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_kills_lose_nothing_and_repeat_nothing() {
    survive_kills(Plan::with_kills(20)).await;
}

/// Hardly any instance at once, and none that waits: everything is replayed all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_kills_lose_nothing_when_every_wait_suspends() {
    let environment = vec![
        ("RELIGHT_EXECUTOR__SUSPEND_AFTER", "0".to_owned()),
        ("RELIGHT_EXECUTOR__ATTEMPTS_MAX", "3".to_owned()),
        ("RELIGHT_EXECUTOR__EFFECTS_MAX", "1".to_owned()),
        ("RELIGHT_TABLES__YOUNG_ROWS_MAX", "16".to_owned()),
    ];
    survive_kills(Plan { environment, ..Plan::with_kills(8) }).await;
}

impl Plan {
    /// So many kills, unless the environment asks for others.
    fn with_kills(kills: u64) -> Self {
        let programs = number("RELIGHT_CRASH_PROGRAMS");
        Self {
            kills: number("RELIGHT_CRASH_KILLS").unwrap_or(kills),
            least: Duration::from_secs(number("RELIGHT_CRASH_SECONDS").unwrap_or(0)),
            programs: programs.map(|programs| (programs, number("RELIGHT_CRASH_FROM").unwrap_or(0))),
            environment: Environment::new(),
        }
    }

    /// Programs that are checked together, each with its kills.
    fn shares(&self, seed: u64) -> Vec<(Share, u64)> {
        let Some((programs, from)) = self.programs else {
            return vec![(Share { seed, first: 0, end: None }, self.kills)];
        };
        // Before the program with this number so many kills are due.
        let kills = |number: u64| self.kills * number.min(programs) / programs.max(1);
        (0..programs.div_ceil(SHARE))
            .map(|share| (share * SHARE, ((share + 1) * SHARE).min(programs)))
            .filter(|(_, end)| from < *end)
            .map(|(first, end)| (Share { seed, first, end: Some(end) }, kills(end) - kills(first)))
            .collect()
    }
}

/// What outlives the servers of a test.
struct World {
    environment: Environment,
    least: Duration,
    place: Place,
    ledger: Ledger,
    here: watch::Sender<Option<Addresses>>,
    caller: Caller,
    figures: Figures,
}

#[derive(Debug, Default)]
struct Figures {
    programs: u64,
    kills: u64,
    acknowledged: usize,
    unknown: usize,
    payments: usize,
    additions: usize,
    pauses: u64,
}

async fn survive_kills(plan: Plan) {
    let seed = Seed::new();
    let started = Instant::now();
    let shares = plan.shares(seed.0);
    let (here, whereabouts) = watch::channel(None);
    let mut world = World {
        environment: plan.environment,
        least: plan.least,
        place: Place::new(),
        ledger: Ledger::start().await,
        here,
        caller: Caller::new(whereabouts),
        figures: Figures::default(),
    };
    let mut server = world.start().await;
    deploy(&world.caller).await;
    let mut submitted = Submitted::default();
    let last = shares.len();
    for (number, (share, kills)) in (1..).zip(shares) {
        world.ledger.forget();
        let begin = share.first;
        (server, submitted) = world.survive_share(share, kills, server).await;
        if number < last {
            let (figures, rss) = (&world.figures, resident_mb());
            let per_second = figures.programs / started.elapsed().as_secs().max(1);
            eprintln!(
                "{number} of {last} shares, {per_second} programs/s, driver {rss} MB, {figures:?}; the next alone: \
                 RELIGHT_CRASH_SEED={} RELIGHT_CRASH_FROM={}",
                seed.0,
                begin + SHARE
            );
        }
    }
    eprintln!("{:?} in {:.0?}, seed {}", world.figures, started.elapsed(), seed.0);
    world.survive_another_death(server, &submitted).await;
}

impl World {
    async fn start(&self) -> Server {
        let server = self.place.start(&self.environment).await;
        self.here.send_replace(Some(server.addresses()));
        server
    }

    /// Gives the server that is there in the end, and what was submitted, all of which is as it must be.
    async fn survive_share(&mut self, share: Share, kills: u64, server: Server) -> (Server, Submitted) {
        let mut random = Random::new(share.seed ^ share.first);
        let is_endless = share.end.is_none();
        let load = Load::new(share, &self.ledger.url, &self.caller);
        let mut clients = load.start(CLIENTS);
        let operator = Operator::start(&self.caller, Random::new(random.next()));
        let server = self.kill_often(&load, kills, &mut random, server).await;
        if is_endless {
            load.stop();
        }
        // A long share goes on for a while after its last kill.
        while !is_endless && !load.begun().1 && !clients.is_empty() {
            clients.try_join_next().transpose().expect("a client failed");
            tokio::time::sleep(POLL_PAUSE).await;
        }
        self.figures.pauses += operator.stop().await;
        let answered =
            async { while clients.join_next().await.transpose().expect("a client failed").is_some() {} };
        if timeout(ANSWERS_MAX, answered).await.is_err() {
            until_finished(&self.caller).await;
            panic!("a request was not answered although every invocation is finished");
        }
        let submitted = load.take_submitted();
        until_finished(&self.caller).await;
        check_all(&self.caller, &submitted, &self.ledger).await;
        // Those of earlier shares are forgotten, and must not be made again.
        let expected = &submitted.expected.payments;
        let unasked: Vec<_> =
            self.ledger.payments().into_keys().filter(|payment| !expected.contains(payment)).collect();
        assert_eq!(unasked, [""; 0], "payments that nobody asked for");
        self.figures.add(&submitted, load.begun().0);
        assert!(submitted.acknowledged.len() > CLIENTS, "hardly anything was under way");
        (server, submitted)
    }

    /// Gives the server that is there after the last kill.
    async fn kill_often(
        &mut self,
        load: &Load,
        kills: u64,
        random: &mut Random,
        mut server: Server,
    ) -> Server {
        let started = Instant::now();
        let mut killed = 0;
        while killed < kills || started.elapsed() < self.least {
            self.until_next_kill(load, killed, kills, random).await;
            if random.below(POLITE_ENDS) == 0 {
                // It answers while it stops.
                let status = server.stop().await;
                assert!(status.success(), "{status}");
                self.here.send_replace(None);
            } else {
                self.here.send_replace(None);
                server.kill().await;
                killed += 1;
            }
            if random.below(KILLS_IN_START) == 0 {
                let starting = self.place.spawn("server", &self.environment);
                tokio::time::sleep(Duration::from_millis(random.below(400))).await;
                starting.kill().await;
                killed += 1;
            }
            server = self.start().await;
        }
        self.figures.kills += killed;
        server
    }

    /// Kills come at random times, or spread over the programs if these have an end.
    async fn until_next_kill(&self, load: &Load, killed: u64, kills: u64, random: &mut Random) {
        let Some(programs) = load.programs() else {
            tokio::time::sleep(Duration::from_millis(30 + random.below(LIFE_MAX_MS))).await;
            return;
        };
        let due = programs * (killed + 1) / (kills + 1);
        while load.begun().0 < due {
            tokio::time::sleep(POLL_PAUSE).await;
        }
        tokio::time::sleep(Duration::from_millis(random.below(200))).await;
    }

    /// What is finished stays so.
    async fn survive_another_death(self, server: Server, submitted: &Submitted) {
        let payments = self.ledger.payments();
        self.here.send_replace(None);
        server.kill().await;
        let server = self.start().await;
        until_finished(&self.caller).await;
        check_all(&self.caller, submitted, &self.ledger).await;
        assert_eq!(self.ledger.payments(), payments, "an effect of a finished invocation ran again");
        let status = server.stop().await;
        assert!(status.success(), "{status}");
        self.place.check_log(&[]);
    }
}

impl Figures {
    fn add(&mut self, submitted: &Submitted, programs: u64) {
        self.programs += programs;
        self.acknowledged += submitted.acknowledged.len();
        self.unknown += submitted.perhaps.len();
        self.payments += submitted.expected.payments.len();
        self.additions += submitted.expected.counters.values().map(BTreeMap::len).sum::<usize>();
    }
}

/// Memory of this process.
fn resident_mb() -> u64 {
    const PAGES_PER_MB: u64 = 256;
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) / PAGES_PER_MB
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
