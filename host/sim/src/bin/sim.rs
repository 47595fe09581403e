//! `cargo xtask sim`: runs seeds and says which fail, and how to see one again.
//!
//! ```text
//! sim [--seeds N] [--from S] [--steps N]    N seeds from S on, on all cores
//! sim --seed S                              one seed, twice: the runs must be the same
//! sim --planted [--seeds N]                 every planted bug must be found within N seeds
//! ```

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a developer's terminal")]

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use relight_sim::{PLANTED_SEEDS, Planted, STEPS, Stats, run};

/// Seeds of a plain run: what continuous integration runs.
const SEEDS: u64 = 1_000;

struct Arguments {
    seeds: Option<u64>,
    from: u64,
    steps: u64,
    seed: Option<u64>,
    planted: bool,
}

fn main() -> ExitCode {
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("error: {error}\nusage: sim [--seeds N] [--from S] [--steps N] | --seed S | --planted");
            return ExitCode::FAILURE;
        }
    };
    // A failed assertion is reported with its seed; its own message would come without one.
    std::panic::set_hook(Box::new(|_| {}));
    let holds = match arguments {
        Arguments { planted: true, .. } => find_planted(&arguments),
        Arguments { seed: Some(seed), .. } => run_one(seed, arguments.steps),
        _ => run_many(&arguments),
    };
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut arguments = Arguments { seeds: None, from: 0, steps: STEPS, seed: None, planted: false };
    while let Some(word) = words.next() {
        if word == "--planted" {
            arguments.planted = true;
            continue;
        }
        let value = words.next().ok_or_else(|| format!("`{word}` needs a number"))?;
        let number = value.parse().map_err(|_| format!("`{value}` is not a number"))?;
        match word.as_str() {
            "--seeds" => arguments.seeds = Some(number),
            "--from" => arguments.from = number,
            "--steps" => arguments.steps = number,
            "--seed" => arguments.seed = Some(number),
            other => return Err(format!("unknown option `{other}`")),
        }
    }
    Ok(arguments)
}

fn run_one(seed: u64, steps: u64) -> bool {
    let (first, second) = (run(seed, steps, None), run(seed, steps, None));
    match &first {
        Ok(outcome) => println!("seed {seed}: hash {:016x}, {:?}", outcome.hash, outcome.stats),
        Err(failure) => println!("{failure}"),
    }
    if first != second {
        println!("seed {seed}: the second run was another one");
    }
    first.is_ok() && first == second
}

fn run_many(arguments: &Arguments) -> bool {
    let seeds = arguments.seeds.unwrap_or(SEEDS);
    let begun = Instant::now();
    let (next, failed) = (AtomicU64::new(0), AtomicBool::new(false));
    let total = Mutex::new(Stats::default());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if seeds <= n || failed.load(Ordering::Relaxed) {
                        break;
                    }
                    match run(arguments.from + n, arguments.steps, None) {
                        Ok(outcome) => {
                            total.lock().unwrap_or_else(PoisonError::into_inner).add(&outcome.stats);
                        }
                        Err(failure) => {
                            failed.store(true, Ordering::Relaxed);
                            println!("{failure}\nsee it again: cargo xtask sim --seed {}", failure.seed);
                        }
                    }
                }
            });
        }
    });
    let failed = failed.into_inner();
    let total = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    if !failed {
        println!("{seeds} seeds of {} steps hold: {total:?}, {:.1?}", arguments.steps, begun.elapsed());
    }
    !failed
}

fn find_planted(arguments: &Arguments) -> bool {
    let seeds = arguments.seeds.unwrap_or(PLANTED_SEEDS);
    let mut all = true;
    for planted in Planted::ALL {
        let begun = Instant::now();
        let found = (arguments.from..arguments.from + seeds)
            .find_map(|seed| run(seed, arguments.steps, Some(planted)).err());
        match found {
            Some(failure) => {
                let (seed, step) = (failure.seed, failure.step);
                let message: String = failure.message.chars().take(110).collect();
                println!("{planted:?}: seed {seed}, step {step}, {:.1?}: {message}", begun.elapsed());
            }
            None => {
                all = false;
                println!("{planted:?}: NOT FOUND in {seeds} seeds, {:.1?}", begun.elapsed());
            }
        }
    }
    all
}
