//! Runs texts as scenarios.

use std::{
    fs,
    path::{Path, PathBuf},
    rc::Rc,
};

use relight_executor::CompileWorker;
use relight_testing::{Component, Engine, Options, Outcome, Problem, Report, Scenario};

/// The bytes of a guest that `cargo xtask components` has built.
pub fn component(name: &str) -> Component {
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let target = temporary.parent().expect("cargo's folder for temporary files is in the target folder");
    let path = target.join("components").join(format!("{name}.wasm"));
    match fs::read(&path) {
        Ok(bytes) => Component::new(bytes),
        Err(error) => panic!("run `cargo xtask components` first: `{}`: {error}", path.display()),
    }
}

/// An engine with the native code that earlier tests have left. Tests run in processes of their own: each component is
/// compiled once for all of them.
pub fn engine() -> Rc<Engine> {
    let engine = Engine::new(CompileWorker::InProcess).expect("the engine starts");
    let own = engine_dir(&engine);
    for file in fs::read_dir(shared_dir(&own)).into_iter().flatten() {
        let file = file.expect("the folder can be listed").path();
        // A file that is not finished has another name.
        if file.extension().is_some_and(|extension| extension == "cwasm") {
            fs::copy(&file, own.join(file.file_name().expect("a file has a name")))
                .expect("a file can be copied");
        }
    }
    Rc::new(engine)
}

/// Leaves native code for other tests.
pub fn lend(engine: &Engine) {
    let own = engine_dir(engine);
    let shared = shared_dir(&own);
    fs::create_dir_all(&shared).expect("a folder can be made");
    for file in fs::read_dir(&own).expect("the engine made it") {
        let file = file.expect("the folder can be listed").path();
        let name = file.file_name().expect("a file has a name");
        if file.extension().is_some_and(|extension| extension == "cwasm") && !shared.join(name).exists() {
            let part = shared.join(format!("{}.{}", name.display(), std::process::id()));
            fs::copy(&file, &part).expect("a file can be copied");
            fs::rename(part, shared.join(name)).expect("a file can be renamed");
        }
    }
}

/// Folder of native code for this engine's configuration.
fn engine_dir(engine: &Engine) -> PathBuf {
    let mut entries = fs::read_dir(engine.native_dir()).expect("the engine made it");
    entries.next().expect("one engine configuration").expect("it can be read").path()
}

fn shared_dir(own: &Path) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(own.file_name().expect("the folder has a name"))
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub fn run_with(name: &str, text: &str, options: &Options) -> Report {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("scenario.toml");
    fs::write(&file, text).expect("the scenario can be written");
    let scenario = match Scenario::read(&file) {
        Ok(scenario) => scenario,
        Err(error) => panic!("the scenario {error}"),
    };
    let engine = engine();
    let report = relight_testing::run(&engine, &scenario, &component(name), options);
    lend(&engine);
    report
}

/// A scenario that passes, plain and with a crash after every record.
#[track_caller]
pub fn passes(name: &str, text: &str) {
    let report = run_with(name, text, &Options { crash_everywhere: true, ..Options::default() });
    assert!(matches!(report.outcome, Outcome::Passed), "{}", report.text());
    assert!(report.crashes > 0);
}

/// A scenario that fails; how.
#[track_caller]
pub fn fails(name: &str, text: &str) -> Problem {
    match run_with(name, text, &Options::default()).outcome {
        Outcome::Failed(problem) => problem,
        other => panic!("it does not fail: {other:?}"),
    }
}

/// A scenario that makes no sense; why.
#[track_caller]
pub fn is_bad(name: &str, text: &str) -> String {
    match run_with(name, text, &Options::default()).outcome {
        Outcome::Bad(message) => message,
        other => panic!("it is not refused: {other:?}"),
    }
}
