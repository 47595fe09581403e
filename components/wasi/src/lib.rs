//! Handlers that use the standard library as any program does: its clocks, its hash maps, its output, its environment. They are
//! compiled for `wasm32-wasip2`, where all of that comes from WASI.

use std::{
    collections::HashSet,
    env,
    fs::{self, File},
    hash::{BuildHasher, RandomState},
    io::{self, Read, Write},
    process, thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use relight::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a program can see of the world.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
struct Facts {
    wall_ms: u64,
    random: u64,
    hash_order: Vec<u32>,
    greeting: Option<String>,
    arguments: Vec<String>,
}

impl Facts {
    fn see() -> Self {
        let hash_order: HashSet<u32> = (0..20).collect();
        Self {
            wall_ms: wall_ms(),
            random: RandomState::new().hash_one(0),
            hash_order: hash_order.into_iter().collect(),
            greeting: env::var("GREETING").ok(),
            arguments: env::args().collect(),
        }
    }
}

fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is after 1970");
    since.as_millis() as u64
}

/// An effect is live: it sees the time of the world, and may sleep.
#[effect(retry(max_attempts = 1))]
async fn nap(ms: u64) -> (u64, u64) {
    let (before, started) = (wall_ms(), Instant::now());
    thread::sleep(Duration::from_millis(ms));
    assert!(started.elapsed() >= Duration::from_millis(ms), "{:?}", started.elapsed());
    (before, wall_ms())
}

/// What the standard library gets from WASI.
#[service]
impl Wasi {
    /// Two attempts see the same: the second one compares.
    #[handler]
    async fn facts(ctx: &Context) -> Result<Facts, Failure> {
        let facts = Facts::see();
        assert_eq!(facts.wall_ms, ctx.now().as_millis(), "the time is that of the invocation");
        let seen = facts.clone();
        let recorded: Facts = ctx.run("facts", move || Ok(seen)).await?;
        assert_eq!(facts, recorded, "what this attempt sees, and what the one before saw");
        Ok(facts)
    }

    /// Lines of both streams are lines of the log, once, whatever the attempts.
    #[handler]
    async fn prints(ctx: &Context) -> Result<(), Failure> {
        println!("wasi line one\nwasi line two");
        print!("wasi line ");
        ctx.sleep(millis(1)).await?;
        print!("three");
        io::stdout().flush().expect("a log has room");
        Ok(())
    }

    /// Looking at a clock until it shows another time ends.
    #[handler]
    async fn waits_by_looking(_ctx: &Context) -> u64 {
        let started = Instant::now();
        let mut looks = 0;
        while started.elapsed() < Duration::from_secs(1) {
            looks += 1;
        }
        looks
    }

    /// Sleeping in a handler is not for WASI.
    #[handler]
    async fn sleeps(_ctx: &Context) {
        thread::sleep(Duration::from_millis(1));
    }

    /// Sleeping for no time is nothing.
    #[handler]
    async fn sleeps_for_no_time(_ctx: &Context) {
        thread::sleep(Duration::ZERO);
    }

    /// A program that ends itself has failed; what it wrote last says why.
    #[handler]
    async fn exits(_ctx: &Context) {
        eprint!("out of luck");
        process::exit(3);
    }

    /// There is nothing to read, no file and no peer.
    #[handler]
    async fn looks_around(_ctx: &Context) {
        let mut input = String::new();
        io::stdin().read_to_string(&mut input).expect("an end is no error");
        assert_eq!(input, "");
        assert!(fs::read_dir("/").is_err());
        assert!(File::create("/tmp/file").is_err());
        assert!(env::current_dir().is_err() || env::current_dir().is_ok_and(|dir| dir.as_os_str() == "/"));
    }

    /// An effect lives in real time.
    #[handler]
    async fn naps(ctx: &Context, ms: u64) -> Result<(u64, u64), Failure> {
        ctx.effect(nap(ms)).await
    }
}

relight::export!(Wasi; effects: nap);
