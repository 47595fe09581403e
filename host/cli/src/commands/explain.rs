//! `relight explain`: the page of one error code, of this version.

use crate::{
    error::{Error, Exit, Result},
    output,
};

/// Tell what an error code means and what to do about it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  $ relight explain RL0101")]
pub struct Explain {
    /// Such as `RL0101`.
    code: String,
}

impl Explain {
    pub fn run(self) -> Result {
        let page = relight_admin::explain(&self.code).ok_or_else(|| {
            Error::new(Exit::NotFound, format!("`{}` is not an error code of this version", self.code))
        })?;
        output::print(&format!("{page}\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_code_is_not_found() {
        let error = Explain { code: "RL9999".to_owned() }.run().expect_err("unknown");
        assert_eq!(error.exit, Exit::NotFound);
        assert!(error.message.contains("RL9999"));
    }
}
