//! The scenarios that come with examples, each with a crash after every record.

use relight_testing::{Options, Outcome, Scenario};

use crate::rig::{component, engine, passes, root};

#[test]
fn scenarios_of_the_theatre_hold_with_a_crash_after_every_record() {
    let files = Scenario::files(&root().join("examples/theatre/scenarios")).expect("they can be listed");
    assert!(4 <= files.len(), "{files:?}");
    let (engine, component) = (engine(), component("theatre"));
    for file in files {
        let scenario = Scenario::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let options = Options { crash_everywhere: true, ..Options::default() };
        let report = relight_testing::run(&engine, &scenario, &component, &options);
        assert!(matches!(report.outcome, Outcome::Passed), "{}", report.text());
        assert!(10 <= report.crashes, "{}", report.text());
    }
}

#[test]
fn the_scenario_in_the_documentation_holds() {
    let page = std::fs::read_to_string(root().join("docs/testing.md")).expect("it can be read");
    let (_, rest) = page.split_once("```toml\nname = ").expect("it has a scenario");
    let (scenario, _) = rest.split_once("```").expect("it ends");
    passes("theatre", &format!("name = {scenario}"));
}
