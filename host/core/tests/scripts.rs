//! Scripts for the state machine: each file in `scripts/` holds commands, and below `----` what they lead to.
//!
//! A block is one or more command lines, `----`, then the expected actions (`!`) and table changes (`+` new, `~`
//! changed, `-` deleted). `UPDATE_SCRIPTS=1 cargo test -p relight-core --test scripts` rewrites the expectations;
//! read the difference before you commit it. The verbs are in `script/verbs.rs`.

#[path = "script/show.rs"]
mod show;
#[path = "script/verbs.rs"]
mod verbs;
#[path = "script/world.rs"]
mod world;

use std::{fmt::Write as _, fs, path::Path};

use world::World;

#[test]
fn every_script_gives_its_transcript() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let update = std::env::var_os("UPDATE_SCRIPTS").is_some();
    let mut paths: Vec<_> = fs::read_dir(&folder)
        .expect("the folder exists")
        .map(|entry| entry.expect("readable").path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no scripts in {}", folder.display());
    let mut differing = Vec::new();
    for path in paths {
        let script = fs::read_to_string(&path).expect("readable");
        let transcript = run(&script);
        if transcript == script {
            continue;
        }
        if update {
            fs::write(&path, transcript).expect("writable");
        } else {
            differing.push(format!("{}\n{}", path.display(), first_difference(&script, &transcript)));
        }
    }
    assert!(differing.is_empty(), "scripts differ:\n{}", differing.join("\n"));
}

/// The script with what its commands really lead to.
fn run(script: &str) -> String {
    let mut world = World::new();
    let mut twin = World::new();
    let mut transcript = String::new();
    for block in script.split("\n\n").filter(|block| !block.trim().is_empty()) {
        let commands = block.split("\n----").next().unwrap_or_default().trim_matches('\n');
        let _ = write!(transcript, "{commands}\n----\n");
        for line in commands.lines().filter(|line| !line.starts_with('#')) {
            let shown = world.run(line);
            assert_eq!(shown, twin.run(line), "the same record twice gives the same actions: {line}");
            transcript.push_str(&shown);
        }
        transcript.push('\n');
    }
    assert_eq!(world.tables(), twin.tables(), "the same records twice give the same tables");
    transcript.truncate(transcript.trim_end().len());
    transcript.push('\n');
    transcript
}

fn first_difference(expected: &str, got: &str) -> String {
    let mut context = String::new();
    for (number, pair) in expected.lines().zip(got.lines()).enumerate() {
        if pair.0 != pair.1 {
            let _ = write!(context, "line {}:\n  expected {}\n  got      {}", number + 1, pair.0, pair.1);
            return context;
        }
    }
    format!("one is longer: expected {} lines, got {}", expected.lines().count(), got.lines().count())
}
