//! The command line of `relight`: what can be typed, and every command that talks to a server or to nothing at all.
//!
//! `relight up`, `relight server` and `relight replay` are only parsed here ([`Parsed`]): what runs handlers is in the crate that
//! depends on this one.
//!
//! Architecture invariant: commands know a server by its HTTP doors alone. No command opens a data folder.

mod address;
mod client;
mod commands;
mod confirm;
mod error;
mod output;
mod project;
mod target;
mod template;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use commands::{
    replay::Replaying,
    server::{Server, ServerFlags, Up},
};
pub use error::{Error, Exit};

use crate::{
    address::ServerAddress,
    client::Client,
    commands::{
        build::Build,
        check::Check,
        deploy::Deploy,
        deployments::Deployments,
        explain::Explain,
        invocations::Invocations,
        invoke::{Invoke, Send},
        new::New,
        replay::Replay,
        services::Services,
        test::Test,
        values::{Awakeables, Promises, Signals},
        version,
    },
    output::Format,
};

/// Durable handlers on WebAssembly: server and command line in one binary.
#[derive(Debug, Parser)]
#[command(name = "relight", version, propagate_version = false)]
#[command(
    after_help = "Examples:\n  $ relight up\n  $ relight new hello --lang rust\n  $ relight deploy hello\n  $ relight invoke Greeter/greet '{\"name\":\"Ada\"}'"
)]
struct Cli {
    #[command(flatten)]
    address: ServerAddress,
    /// Form of the data on stdout.
    #[arg(short, long, alias = "format", global = true, value_enum, default_value_t)]
    output: Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(alias = "dev")]
    Up(Up),
    Server(Server),
    New(New),
    Build(Build),
    Test(Test),
    Deploy(Deploy),
    Check(Check),
    Invoke(Invoke),
    Send(Send),
    #[command(subcommand, visible_alias = "inv", after_help = "Example:\n  $ relight inv list")]
    Invocations(Invocations),
    #[command(subcommand, after_help = "Example:\n  $ relight awakeables resolve sign_1abc 7")]
    Awakeables(Awakeables),
    #[command(subcommand, after_help = "Example:\n  $ relight signals send inv_1abc approved true")]
    Signals(Signals),
    #[command(subcommand, after_help = "Example:\n  $ relight promises resolve Signup/ada clicked true")]
    Promises(Promises),
    #[command(subcommand, visible_alias = "svc", after_help = "Example:\n  $ relight svc list")]
    Services(Services),
    #[command(subcommand, visible_alias = "dp", after_help = "Example:\n  $ relight dp list")]
    Deployments(Deployments),
    Replay(Replay),
    Explain(Explain),
    /// Print the version of this binary and of the contract with components.
    #[command(after_help = "Example:\n  $ relight version -o json")]
    Version,
    /// Compile one component; the server runs this in a process of its own.
    #[command(hide = true, after_help = "Example:\n  $ relight compile-worker IN OUT")]
    CompileWorker {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
}

/// What was typed, as far as this crate carries it out.
#[derive(Debug)]
pub enum Parsed {
    Up(Up),
    Server(Server),
    /// What is to be replayed is read.
    Replay(Box<Replaying>),
    /// A command that has run, or a line that could not be understood.
    Done(ExitCode),
}

/// Parses the process's arguments and runs the command, unless it is one of the server's.
pub fn run() -> Parsed {
    let Cli { address, output, command } = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nothing can be done about a terminal that went away.
            let _ = error.print();
            return Parsed::Done(u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from));
        }
    };
    let result = match command {
        Command::Up(up) => return Parsed::Up(up),
        Command::Server(server) => return Parsed::Server(server),
        Command::Replay(command) => match command.load(output) {
            Ok(replaying) => return Parsed::Replay(Box::new(replaying)),
            Err(error) => Err(error),
        },
        Command::CompileWorker { arguments } => {
            return Parsed::Done(relight_executor::compile_worker_main(arguments));
        }
        Command::New(command) => command.run(),
        Command::Build(command) => command.run(output),
        Command::Test(command) => command.run(output),
        Command::Explain(command) => command.run(),
        Command::Version => version::run(output),
        Command::Deploy(command) => wait(command.run(Client::new(address.admin()), output)),
        Command::Check(command) => wait(command.run(Client::new(address.admin()), output)),
        Command::Invoke(command) => wait(command.run(Client::new(address.ingress()))),
        Command::Send(command) => wait(command.run(Client::new(address.ingress()), output)),
        Command::Invocations(command) => {
            wait(command.run(Client::new(address.admin()), Client::new(address.ingress()), output))
        }
        Command::Awakeables(command) => wait(command.run(Client::new(address.ingress()))),
        Command::Signals(command) => wait(command.run(Client::new(address.ingress()))),
        Command::Promises(command) => wait(command.run(Client::new(address.ingress()))),
        Command::Services(command) => wait(command.run(Client::new(address.admin()), output)),
        Command::Deployments(command) => wait(command.run(Client::new(address.admin()), output)),
    };
    Parsed::Done(match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::say(&error.to_string());
            error.exit.into()
        }
    })
}

fn wait(command: impl Future<Output = error::Result>) -> error::Result {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::new(Exit::Failed, "cannot start").because(&error))?
        .block_on(command)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    /// Runs `check` for every command and subcommand.
    fn for_each(command: &clap::Command, path: &str, check: &mut dyn FnMut(&clap::Command, &str)) {
        let path = format!("{path} {}", command.get_name());
        check(command, path.trim());
        for subcommand in command.get_subcommands().filter(|subcommand| subcommand.get_name() != "help") {
            for_each(subcommand, &path, check);
        }
    }

    /// Splits like a shell does, as far as examples need it.
    fn words(line: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        let mut quoted = false;
        for c in line.chars() {
            match c {
                '\'' => quoted = !quoted,
                ' ' if !quoted => words.push(String::new()),
                _ => words.last_mut().expect("never empty").push(c),
            }
        }
        words
    }

    #[test]
    fn definitions_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_help_has_examples_that_parse() {
        for_each(&Cli::command(), "", &mut |command, path| {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let examples: Vec<&str> =
                help.lines().filter_map(|line| line.trim().strip_prefix("$ ")).collect();
            assert!(!examples.is_empty(), "`{path} --help` has no example");
            for example in examples {
                Cli::try_parse_from(words(example)).unwrap_or_else(|error| panic!("`{example}`: {error}"));
            }
        });
    }

    #[test]
    fn every_command_says_what_it_does() {
        for_each(&Cli::command(), "", &mut |command, path| {
            assert!(command.get_about().is_some(), "`{path}` has no description");
        });
    }

    #[test]
    fn addresses_and_format_are_taken_after_the_command() {
        let cli = Cli::try_parse_from(["relight", "svc", "list", "--admin", "http://h:1", "-o", "json"]);
        let cli = cli.expect("valid");
        assert_eq!(cli.address.admin(), "http://h:1");
        assert_eq!(cli.output, Format::Json);
    }

    #[test]
    fn dev_is_up() {
        assert!(matches!(Cli::try_parse_from(["relight", "dev"]).expect("valid").command, Command::Up(_)));
    }
}
