//! `relight test`: scenarios against a component, without a server.

use std::{
    env,
    io::{self, BufReader},
    path::{Path, PathBuf},
    rc::Rc,
};

use relight_executor::CompileWorker;
use relight_testing::{Component, Engine, Options, Outcome, Report, Scenario, ServeError};
use serde_json::Value;

use crate::{
    error::{Error, Exit, Result},
    output::{self, Format},
    project,
};

/// Where a project has its scenarios.
const SCENARIOS: &str = "scenarios";

/// Run scenarios against a component, or the project in a folder, without a server.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  $ relight test hello\n  $ relight test hello.wasm --scenario checkout.toml --crash-everywhere\n\nExit codes: 0 all passed, 1 one failed, 2 one makes no sense."
)]
pub struct Test {
    /// A `.wasm` file or the folder of a project.
    #[arg(default_value = ".")]
    component: PathBuf,
    /// A scenario or a folder of them; repeatable. Otherwise those in the project's folder `scenarios`.
    #[arg(long, value_name = "PATH")]
    scenario: Vec<PathBuf>,
    /// Run each scenario again for every record, with a crash of the process after it: nothing may differ.
    #[arg(long)]
    crash_everywhere: bool,
    /// Take steps from another program on stdin, one JSON document a line, and answer on stdout.
    #[arg(long, conflicts_with_all = ["scenario", "crash_everywhere"])]
    stdio: bool,
}

impl Test {
    pub fn run(self, format: Format) -> Result {
        let component = self.load()?;
        let program = env::current_exe()
            .map_err(|error| Error::new(Exit::Failed, "cannot find this program").because(&error))?;
        let worker = CompileWorker::Process { program, args: vec!["compile-worker".into()] };
        let engine = Engine::new(worker)
            .map_err(|error| Error::new(Exit::Failed, "cannot start the engine").because(&error))?;
        let engine = Rc::new(engine);
        engine.prepare(&component).map_err(|error| Error {
            code: Some(error.code().to_owned()),
            ..Error::new(Exit::UploadInvalid, error.to_string()).hint(error.hint())
        })?;
        if self.stdio {
            return self.serve(&engine, &component);
        }
        let options = Options { crash_everywhere: self.crash_everywhere, ..Options::default() };
        let mut reports = Vec::new();
        for file in self.files()? {
            let report = report(&engine, &component, &file, &options);
            if format == Format::Table {
                output::print(&report.text())?;
            }
            reports.push(report);
        }
        if format != Format::Table {
            let rows: Vec<Value> = reports.iter().map(Report::json).collect();
            output::list(format, &rows, "file", &[])?;
        }
        summary(&reports)
    }

    fn load(&self) -> Result<Component> {
        let built = project::component(&self.component)?;
        let mut component = Component::new(built.bytes);
        component.memory_bytes_max = built.project.memory_bytes()?.unwrap_or(component.memory_bytes_max);
        component.allow_http = built.project.allow_http;
        component.env = built.project.env;
        Ok(component)
    }

    fn files(&self) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        let default = [self.component.join(SCENARIOS)];
        let paths = if self.scenario.is_empty() { &default[..] } else { &self.scenario[..] };
        for path in paths {
            files.extend(Scenario::files(path).map_err(|error| {
                let error =
                    Error::new(Exit::Usage, format!("cannot list `{}`", path.display())).because(&error);
                error.hint("name a file or a folder with `--scenario`")
            })?);
        }
        if files.is_empty() {
            return Err(Error::usage(format!("there is no scenario in `{}`", paths[0].display()))
                .hint("scenarios are files that end in `.toml` or `.json`"));
        }
        Ok(files)
    }

    fn serve(&self, engine: &Rc<Engine>, component: &Component) -> Result {
        let folder = if self.component.is_dir() { self.component.as_path() } else { Path::new(".") };
        let input = BufReader::new(io::stdin().lock());
        relight_testing::serve(engine, component, folder, input, io::stdout().lock()).map_err(|error| {
            match error {
                ServeError::Component(message) => Error::new(Exit::UploadInvalid, message),
                ServeError::Stream(_) => {
                    Error::new(Exit::Failed, "the other program is gone").because(&error)
                }
            }
        })
    }
}

fn report(engine: &Rc<Engine>, component: &Component, file: &Path, options: &Options) -> Report {
    match Scenario::read(file) {
        Ok(scenario) => relight_testing::run(engine, &scenario, component, options),
        Err(error) => Report::bad(file, format!("the scenario {error}")),
    }
}

fn summary(reports: &[Report]) -> Result {
    let count = |is: fn(&Outcome) -> bool| reports.iter().filter(|report| is(&report.outcome)).count();
    let bad = count(|outcome| matches!(outcome, Outcome::Bad(_)));
    let failed = count(|outcome| matches!(outcome, Outcome::Failed(_)));
    let of = reports.len();
    match (bad, failed) {
        (0, 0) => Ok(()),
        (0, failed) => Err(Error::new(Exit::Failed, format!("{failed} of {of} scenarios failed"))),
        (bad, _) => Err(Error::usage(format!("{bad} of {of} scenarios cannot be run"))
            .hint("docs/testing.md says what a scenario may contain")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(component: &Path, scenario: Vec<PathBuf>) -> Test {
        Test { component: component.to_owned(), scenario, crash_everywhere: false, stdio: false }
    }

    #[test]
    fn scenarios_are_found_in_the_project_or_where_they_are_said_to_be() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let error = test(folder.path(), Vec::new()).files().expect_err("there is no folder");
        assert_eq!(error.exit, Exit::Usage);

        let scenarios = folder.path().join(SCENARIOS);
        std::fs::create_dir(&scenarios).expect("create");
        let error = test(folder.path(), Vec::new()).files().expect_err("there are none");
        assert!(error.to_string().contains("no scenario in"), "{error}");
        for name in ["b.toml", "a.json", "notes.md"] {
            std::fs::write(scenarios.join(name), "").expect("write");
        }
        let names = |files: Vec<PathBuf>| -> Vec<String> {
            files.iter().map(|file| file.file_name().unwrap_or_default().display().to_string()).collect()
        };
        assert_eq!(names(test(folder.path(), Vec::new()).files().expect("two")), ["a.json", "b.toml"]);
        let named = vec![scenarios.join("b.toml"), scenarios];
        assert_eq!(names(test(folder.path(), named).files().expect("three")), ["b.toml", "a.json", "b.toml"]);
    }
}
