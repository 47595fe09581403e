//! [`Trace`]: what happened, as a hash over all of it and the last lines in words.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{DefaultHasher, Hasher};

/// Lines that are kept for a failure's report.
const TAIL_LINES: usize = 60;

#[derive(Debug, Default)]
pub struct Trace {
    hasher: DefaultHasher,
    tail: VecDeque<String>,
    lines: u64,
}

impl Trace {
    pub fn line(&mut self, text: fmt::Arguments<'_>) {
        let mut line =
            if TAIL_LINES <= self.tail.len() { self.tail.pop_front() } else { None }.unwrap_or_default();
        line.clear();
        self.lines += 1;
        fmt::Write::write_fmt(&mut line, format_args!("{:>6} {text}", self.lines))
            .expect("a string takes every text");
        self.hasher.write(line.as_bytes());
        self.tail.push_back(line);
    }

    /// `DefaultHasher::new` has fixed keys: the same lines give the same hash in every process.
    pub fn hash(&self) -> u64 {
        self.hasher.finish()
    }

    pub fn tail(&self) -> Vec<String> {
        self.tail.iter().cloned().collect()
    }
}
