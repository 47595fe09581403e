//! The compile worker alone: the program that tests start as a child process.

use std::process::ExitCode;

fn main() -> ExitCode {
    relight_executor::compile_worker_main(std::env::args_os().skip(1))
}
