//! Native code: made in a child process, found again, made again.

use std::{fs, path::PathBuf, time::Duration};

use relight_executor::{CompileLimits, CompileWorker};

use crate::rig::{Life, Options, Rig, component};

/// The worker of `examples/`, which cargo builds with the tests.
fn worker() -> CompileWorker {
    let test = std::env::current_exe().expect("a test has a path");
    let profile = test.parent().and_then(|deps| deps.parent()).expect("tests are in `deps` of a profile");
    let program: PathBuf = profile.join("examples").join("compile_worker");
    assert!(program.exists(), "`{}` is missing: cargo builds it with the tests", program.display());
    CompileWorker::Process { program, args: vec![] }
}

fn limited(compile_limits: CompileLimits) -> Options {
    Options { compile_worker: worker(), compile_limits, ..Options::default() }
}

#[tokio::test]
async fn child_process_compiles() {
    let rig = Rig::new(limited(CompileLimits::default()));
    let checked = rig.executor.check(component("bench"), 64 << 20).await.expect("it compiles");
    assert!(checked.compiled_in > Duration::ZERO);
    let again = rig.executor.check(component("bench"), 64 << 20).await.expect("it is compiled");
    assert_eq!(again.compiled_in, Duration::ZERO);
    assert_eq!(rig.executor.stats().compilations, 1);
    let files: Vec<_> = fs::read_dir(&rig.native_dirs()[0]).expect("it can be read").collect();
    assert_eq!(files.len(), 1, "{files:?}");
}

#[tokio::test]
async fn limits_of_the_compiler_are_named() {
    let limits = CompileLimits::default();
    for (limits, expected) in [
        (CompileLimits { memory_bytes_max: 8 << 20, ..limits }, "8 MiB of memory"),
        (CompileLimits { deadline: Duration::ZERO, ..limits }, "0 s"),
    ] {
        let rig = Rig::new(limited(limits));
        let error = rig.executor.check(component("conformance"), 64 << 20).await.expect_err("it takes more");
        assert_eq!(error.code(), "RL0112", "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn cpu_time_of_the_compiler_is_limited() {
    let body = "(local.set 0 (i32.mul (local.get 0) (i32.add (local.get 0) (i32.const 7))))".repeat(500);
    let functions = format!("(func (param i32) (result i32) {body} (local.get 0))").repeat(3_000);
    let text = format!(
        r#"(component (core module {functions}) (instance $i)
            (export "relight:handler/handler@0.1.0" (instance $i)))"#
    );
    let bytes = wat::parse_str(text).expect("the test's text is valid");
    let rig =
        Rig::new(limited(CompileLimits { cpu_max: Duration::from_secs(1), ..CompileLimits::default() }));
    let error = rig.executor.check(bytes.into(), 64 << 20).await.expect_err("it takes more");
    assert_eq!(error.code(), "RL0112", "{error}");
    assert!(error.to_string().contains("1 s of CPU time"), "{error}");
}

#[tokio::test]
async fn missing_or_damaged_native_code_is_made_again() {
    let rig = Rig::new(Options::default());
    let deployed = rig.deploy("bench").await;
    let file = rig.native_dirs()[0].join(format!("{}.cwasm", deployed.checked.digest));
    for damage in [None, Some("no native code")] {
        match damage {
            None => fs::remove_file(&file).expect("it is there"),
            Some(bytes) => fs::write(&file, bytes).expect("it can be written"),
        }
        // The executor that has it loaded does not look again; another one does.
        let other = Rig::new(Options::default());
        let name = format!("{}.wasm", deployed.checked.digest);
        fs::copy(rig.dir.path().join(&name), other.dir.path().join(&name)).expect("it can be copied");
        if damage.is_some() {
            let digest_file = file.file_name().expect("it has a name");
            fs::copy(&file, other.native_dirs()[0].join(digest_file)).expect("it can be copied");
        }
        let mut life = Life::new(&deployed, "Greeter/greet", "1");
        life.start(&other);
        let end = life.end(&other).await;
        assert_eq!(Life::output(end), "1");
        assert_eq!(other.executor.stats().compilations, 1);
    }
}

#[tokio::test]
async fn component_without_bytes_is_the_hosts_fault() {
    let rig = Rig::new(Options::default());
    let deployed = rig.deploy("bench").await;
    let other = Rig::new(Options::default());
    let mut life = Life::new(&deployed, "Greeter/greet", "1");
    life.start(&other);
    let error = Life::error(life.end(&other).await, relight_core::command::AttemptErrorKind::Host);
    assert!(error.message.contains("failed to read"), "{}", error.message);
}
