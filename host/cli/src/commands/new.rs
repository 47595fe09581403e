//! `relight new`: a project that builds and deploys as it is.

use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;

use crate::{
    error::{Error, Exit, Result},
    output,
    template::{TEMPLATES, Template},
};

/// Make a new project.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  $ relight new hello --lang rust")]
pub struct New {
    /// Folder of the project; its last part is the project's name.
    name: PathBuf,
    /// Language of the handlers.
    #[arg(long, default_value = "rust", value_parser = PossibleValuesParser::new(TEMPLATES.map(|template| template.name)))]
    lang: String,
}

impl New {
    pub fn run(self) -> Result {
        let name = self.name.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        check_name(&name)?;
        if self.name.exists() {
            return Err(Error::new(Exit::Conflict, format!("`{}` exists already", self.name.display())));
        }
        let template = Template::named(&self.lang).expect("clap takes names of templates only");
        template.write(&self.name, &name).map_err(|error| {
            Error::new(Exit::Failed, format!("cannot write `{}`", self.name.display())).because(&error)
        })?;
        output::say(&next_steps(&self.name));
        Ok(())
    }
}

/// What to type now.
fn next_steps(project: &Path) -> String {
    let name = project.display();
    // The compiler comes from npm, too.
    let install = if project.join("package.json").is_file() {
        format!("  npm install --prefix {name}\n")
    } else {
        String::new()
    };
    format!("Made `{name}`. Next:\n{install}  relight test {name}\n  relight deploy {name}")
}

/// What cargo takes as a package's name.
fn check_name(name: &str) -> Result {
    let valid = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_')
        // The name of the SDK itself.
        && name != "relight";
    if valid {
        return Ok(());
    }
    Err(Error::usage(format!("`{name}` cannot be a project's name"))
        .hint("use lower-case letters, digits, `-` and `_`, first a letter; `relight` is taken"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for name in ["hello", "a1_b-c"] {
            check_name(name).expect("valid");
        }
        for name in ["", "Hello", "1a", "relight", "a b", "é"] {
            assert_eq!(check_name(name).expect_err("invalid").exit, Exit::Usage, "{name}");
        }
    }

    #[test]
    fn next_steps_install_what_a_project_depends_on() {
        for (lang, installs) in [("rust", false), ("ts", true), ("js", true), ("python", false)] {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let project = folder.path().join("hello");
            Template::named(lang).expect("a template").write(&project, "hello").expect("write the project");
            let steps = next_steps(&project);
            assert_eq!(steps.contains("npm install --prefix "), installs, "{lang}: {steps}");
            assert!(steps.ends_with("hello"), "{steps}");
        }
    }

    #[test]
    fn an_existing_folder_is_left_alone() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let name = folder.path().join("hello");
        std::fs::create_dir(&name).expect("create");
        let error = New { name: name.clone(), lang: "rust".to_owned() }.run().expect_err("it exists");
        assert_eq!(error.exit, Exit::Conflict);
        assert_eq!(std::fs::read_dir(name).expect("list").count(), 0);
    }
}
