//! Scenarios against a guest.

use crate::{
    guests::{Guest, root},
    support::{Folder, run},
};

/// Fewer crashes than that were no test of anything.
const CRASHES_MIN: u64 = 20;

/// Every scenario of a folder holds, without a crash and with one after every record.
pub fn hold(guest: Guest, scenarios: &str) {
    let Some(component) = guest.path() else { return };
    let folder = Folder::new();
    let component = component.to_str().expect("the path is text");
    let scenarios = root().join(scenarios);
    let scenarios = scenarios.to_str().expect("the path is text");
    let arguments = ["test", component, "--scenario", scenarios, "--crash-everywhere", "-o", "json"];
    let output = run(&mut folder.relight(&arguments));
    let said = String::from_utf8_lossy(&output.stderr);
    let reports: Vec<serde_json::Value> =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{}: {error}: {said}", guest.0));
    let failed: Vec<&serde_json::Value> =
        reports.iter().filter(|report| report["outcome"] != "passed").collect();
    assert!(failed.is_empty(), "{}: {failed:#?}", guest.0);
    assert!(output.status.success(), "{}: {said}", guest.0);
    let crashes: u64 = reports.iter().filter_map(|report| report["crashes"].as_u64()).sum();
    assert!(CRASHES_MIN <= crashes, "{}: {crashes} crashes", guest.0);
}

/// The scenarios of the example that the guest is named after.
pub fn hold_example(guest: Guest) {
    let example = guest.0.split('-').next().expect("a name has a first part");
    hold(guest, &format!("examples/{example}/scenarios"));
}
