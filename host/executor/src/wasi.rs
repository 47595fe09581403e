//! WASI 0.2 for components whose toolchain imports it, made of what an invocation has: its time, its randomness, its log, its
//! deployment's environment. No file, no socket, and nothing that differs on replay.
//!
//! Each file is one package; `OFFERED` is what uploads are checked against. The interfaces are defined by hand, function by
//! function: what there is fits on a few screens, and most of an implementation for programs with files, sockets and a real clock
//! would have to be taken out again. A component that imports none of it pays nothing: the state is made by the first call.
//! Comparable: the adapter for preview 1 in `components/adapter`, which does the same inside a component.

mod cli;
mod clocks;
mod filesystem;
mod io;
mod random;

use std::{collections::BTreeMap, mem, sync::Arc};

use relight_core::schema::Deployment;
use wasmtime::component::{Linker, LinkerInstance};

use crate::{
    bindings::relight::handler::log::Level,
    guest::{Guest, Role, Stop},
    limits::LOG_LINE_BYTES_MAX,
};

/// Interfaces are found whatever their patch version is.
const VERSION: &str = "0.2.0";
const MAJOR_MINOR: &str = "0.2.";

/// Every function that a component may import, by interface.
const OFFERED: [(&str, &[&str]); 20] = [
    ("wasi:cli/environment", cli::ENVIRONMENT),
    ("wasi:cli/exit", cli::EXIT),
    ("wasi:cli/stderr", &["get-stderr"]),
    ("wasi:cli/stdin", &["get-stdin"]),
    ("wasi:cli/stdout", &["get-stdout"]),
    ("wasi:cli/terminal-input", &[]),
    ("wasi:cli/terminal-output", &[]),
    ("wasi:cli/terminal-stderr", &["get-terminal-stderr"]),
    ("wasi:cli/terminal-stdin", &["get-terminal-stdin"]),
    ("wasi:cli/terminal-stdout", &["get-terminal-stdout"]),
    ("wasi:clocks/monotonic-clock", clocks::MONOTONIC),
    ("wasi:clocks/wall-clock", clocks::WALL),
    ("wasi:filesystem/preopens", &["get-directories"]),
    ("wasi:filesystem/types", filesystem::TYPES),
    ("wasi:io/error", io::ERROR),
    ("wasi:io/poll", io::POLL),
    ("wasi:io/streams", io::STREAMS),
    ("wasi:random/insecure", random::INSECURE),
    ("wasi:random/insecure-seed", &["insecure-seed"]),
    ("wasi:random/random", random::RANDOM),
];

/// The functions of an interface, given as `wasi:cli/exit@0.2.6`; `None` when there is no such interface.
pub(crate) fn offered(import: &str) -> Option<&'static [&'static str]> {
    let (interface, version) = import.split_once('@')?;
    if !version.starts_with(MAJOR_MINOR) {
        return None;
    }
    OFFERED.iter().find(|(known, _)| *known == interface).map(|(_, functions)| *functions)
}

pub(crate) fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    cli::add_to_linker(linker)?;
    clocks::add_to_linker(linker)?;
    filesystem::add_to_linker(linker)?;
    io::add_to_linker(linker)?;
    random::add_to_linker(linker)
}

fn interface<'a>(linker: &'a mut Linker<Guest>, name: &str) -> wasmtime::Result<LinkerInstance<'a, Guest>> {
    linker.instance(&format!("{name}@{VERSION}"))
}

/// Where a program writes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Output {
    Stdout,
    Stderr,
}

/// What WASI adds to an instance.
pub(crate) struct Wasi {
    /// Whose environment it is. None while a component is described.
    deployment: Option<Arc<Deployment>>,
    state: Option<Box<State>>,
}

#[derive(Default)]
struct State {
    /// The last answer of the monotonic clock, in nanoseconds.
    monotonic_ns: u64,
    /// Pollables that wait for a time, with that time.
    timers: BTreeMap<u32, u64>,
    timers_made: u32,
    text: Text,
}

/// What was written to each stream since the last end of a line.
#[derive(Default)]
struct Text {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Wasi {
    pub fn new(deployment: Option<Arc<Deployment>>) -> Self {
        Self { deployment, state: None }
    }

    fn state(&mut self) -> &mut State {
        self.state.get_or_insert_default()
    }
}

impl Guest {
    /// A program writes: each whole line is a line of the log.
    fn write(&mut self, output: Output, bytes: &[u8]) {
        for line in self.wasi.state().text.write(output, bytes) {
            self.add_line(output.level(), line, &[]);
        }
    }

    /// What was written last gets its end. To be called when the instance has ended.
    pub fn end_lines(&mut self) {
        for output in [Output::Stdout, Output::Stderr] {
            let line = self.wasi.state.as_mut().and_then(|state| state.text.end_line(output));
            if let Some(line) = line {
                self.add_line(output.level(), line, &[]);
            }
        }
    }
}

impl Output {
    fn level(self) -> Level {
        match self {
            Self::Stdout => Level::Info,
            Self::Stderr => Level::Error,
        }
    }
}

impl Text {
    /// The lines that end with this.
    fn write(&mut self, output: Output, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (mut text, is_ended) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            // Longer than a line of the log: it goes on in the next one.
            while let Some((room, rest)) = text.split_at_checked(LOG_LINE_BYTES_MAX - self.line(output).len())
                && !rest.is_empty()
            {
                self.line(output).extend_from_slice(room);
                lines.extend(self.end_line(output));
                text = rest;
            }
            self.line(output).extend_from_slice(text);
            if is_ended {
                lines.extend(self.end_line(output));
            }
        }
        lines
    }

    /// What there is of a line; nothing when that is empty.
    fn end_line(&mut self, output: Output) -> Option<String> {
        let line = mem::take(self.line(output));
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        (!line.is_empty()).then_some(line)
    }

    fn line(&mut self, output: Output) -> &mut Vec<u8> {
        match output {
            Output::Stdout => &mut self.stdout,
            Output::Stderr => &mut self.stderr,
        }
    }
}

/// Why a program is stopped that would wait without the host knowing for what.
fn would_block(guest: &Guest) -> Stop {
    Stop::Misuse(match guest.role {
        Role::Silent => "a component may not wait while it is instantiated or described".to_owned(),
        Role::Handler(_) | Role::Effect(_) => {
            "the program would sleep or wait through WASI, which a handler may not: use the durable sleep of the SDK \
             (`ops.timer`), or do it inside an effect"
                .to_owned()
        }
    })
}

#[cfg(test)]
mod tests {
    use wasmtime::Engine;

    use super::*;

    #[test]
    fn lines_end_at_their_breaks_and_at_the_end_of_the_instance() {
        use Output::{Stderr, Stdout};
        let mut text = Text::default();
        assert_eq!(text.write(Stdout, b"a\r\n\nb"), ["a"]);
        assert_eq!(text.write(Stderr, b"oh\xff"), [""; 0]);
        assert_eq!(text.write(Stdout, b"c\nd "), ["bc"]);
        assert_eq!(text.write(Stderr, b"!\n\n"), ["oh\u{fffd}!"]);
        assert_eq!([Stdout, Stderr].map(|output| text.end_line(output)), [Some("d".to_owned()), None]);
    }

    #[test]
    fn a_line_that_is_too_long_goes_on_in_the_next_one() {
        let mut text = Text::default();
        let lines = text.write(Output::Stdout, &vec![b'x'; LOG_LINE_BYTES_MAX * 2 + 1]);
        let lengths: Vec<_> = lines.iter().map(String::len).collect();
        assert_eq!(lengths, [LOG_LINE_BYTES_MAX; 2]);
        assert_eq!(text.end_line(Output::Stdout).as_deref(), Some("x"));
    }

    #[test]
    fn interfaces_are_found_in_every_0_2() {
        for version in ["0.2.0", "0.2.6", "0.2.12"] {
            assert_eq!(offered(&format!("wasi:clocks/wall-clock@{version}")), Some(clocks::WALL));
        }
        for import in ["wasi:clocks/wall-clock@0.3.0", "wasi:clocks/wall-clock", "wasi:sockets/tcp@0.2.0"] {
            assert_eq!(offered(import), None, "{import}");
        }
    }

    /// What uploads are checked against is what is linked.
    #[test]
    fn everything_offered_is_linked() {
        let mut linker = Linker::new(&Engine::default());
        add_to_linker(&mut linker).expect("it links");
        for (name, functions) in OFFERED {
            let mut interface = interface(&mut linker, name).expect("it is there, or made");
            for function in functions {
                // Nothing can be defined twice.
                assert!(interface.func_new(function, |_, _, _, _| Ok(())).is_err(), "{name} {function}");
            }
        }
    }
}
