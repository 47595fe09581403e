//! The scenarios that come with examples and with the contract of all languages, each with a crash after every record.

use relight_testing::{Options, Outcome, Scenario};

use crate::rig::{component, engine, passes, root};

#[test]
fn scenarios_of_the_theatre_hold_with_a_crash_after_every_record() {
    hold_with_a_crash_after_every_record("examples/theatre/scenarios", "theatre", 4);
}

#[test]
fn scenarios_of_the_checkout_hold_with_a_crash_after_every_record() {
    hold_with_a_crash_after_every_record("examples/checkout/scenarios", "checkout", 4);
}

#[test]
fn portable_scenarios_hold_in_rust_with_a_crash_after_every_record() {
    hold_with_a_crash_after_every_record("components/portable/scenarios", "portable", 16);
}

fn hold_with_a_crash_after_every_record(folder: &str, name: &str, files_min: usize) {
    let files = Scenario::files(&root().join(folder)).expect("they can be listed");
    assert!(files_min <= files.len(), "{files:?}");
    let (engine, component) = (engine(), component(name));
    for file in files {
        let scenario = Scenario::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let options = Options { crash_everywhere: true, ..Options::default() };
        let report = relight_testing::run(&engine, &scenario, &component, &options);
        assert!(matches!(report.outcome, Outcome::Passed), "{}", report.text());
        assert!(5 <= report.crashes, "{}", report.text());
    }
}

#[test]
fn the_scenario_in_the_documentation_holds() {
    let page = std::fs::read_to_string(root().join("docs/testing.md")).expect("it can be read");
    let (_, rest) = page.split_once("```toml\nname = ").expect("it has a scenario");
    let (scenario, _) = rest.split_once("```").expect("it ends");
    passes("theatre", &format!("name = {scenario}"));
}
