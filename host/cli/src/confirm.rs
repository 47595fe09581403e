//! Asking a person before something is done that cannot be undone.

use std::io::{self, BufRead as _, IsTerminal as _};

use crate::{
    error::{Error, Exit, Result},
    output,
};

/// Asks whether to do `what`, such as `kill 3 invocations`. Where nobody can answer it is not done.
pub fn confirm(what: &str) -> Result {
    if !io::stdin().is_terminal() {
        return Err(Error::usage(format!("{what}: not confirmed")).hint("say so with `--yes`"));
    }
    output::say(&format!("{what}? [y/N]"));
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| Error::new(Exit::Failed, "cannot read the answer").because(&error))?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(Error::new(Exit::Failed, "nothing was done"))
    }
}
