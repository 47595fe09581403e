//! Every function that a guest may import is used by a handler of the component `conformance`, and that handler has a case.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use crate::conformance::with_cases;

/// A function of the contract, and a handler whose behaviour depends on it. A new function needs a line here, a handler
/// in `components/conformance`, and a case for that.
const SHOWN_BY: [(&str, &str); 37] = [
    ("context#info", "Facts/info"),
    ("context#now", "Facts/replay_sees_the_same"),
    ("context#random", "Facts/random_has_the_length_asked_for"),
    ("context#uuid", "Facts/uuids_are_version_4"),
    ("state#get", "State/own_writes_are_visible"),
    ("state#keys", "State/names"),
    ("state#set", "State/set"),
    ("state#clear", "State/clear"),
    ("state#clear-all", "State/clear_all"),
    ("ops#call", "Calls/add"),
    ("ops#callee", "Calls/ids"),
    ("ops#send", "Sends/send_many"),
    ("ops#timer", "Timers/sleep"),
    ("ops#awakeable", "Awakeables/wait"),
    ("ops#resolve-awakeable", "Awakeables/resolve"),
    ("ops#signal", "Signals/receive"),
    ("ops#send-signal", "Signals/send"),
    ("ops#promise", "Workflows/promise_carries_a_value"),
    ("ops#promise-peek", "Workflows/peek_does_not_wait"),
    ("ops#promise-complete", "Workflows/promise_is_completed_once"),
    ("ops#attach", "Attached/result_of_a_send"),
    ("ops#output", "Attached/output_comes_with_the_end"),
    ("ops#cancel", "Attached/cancelled_one_fails"),
    ("ops#effect", "Effects/result_comes_back"),
    ("waiting#wait", "Waits/hold"),
    ("waiting#wait-any", "Waits/any_answers_in_order_of_completion"),
    ("waiting#wait-all", "Waits/all_waits_for_the_rest_of_a_failure"),
    ("inline-run#start", "Runs/result_is_recorded"),
    ("inline-run#finish", "Runs/terminal_failure_is_a_result"),
    ("inline-run#retry", "Runs/exhausted_retries_are_a_failure"),
    ("http#fetch", "Runs/post"),
    ("log#log", "Facts/logs"),
    // Misuse of what can be misused.
    ("ops#callee", "Forbidden/callee_of_a_timer"),
    ("waiting#wait", "Forbidden/unknown_handle"),
    ("state#set", "ForbiddenObject/set_in_a_shared_handler"),
    ("http#fetch", "Forbidden/fetch_in_a_handler"),
    ("inline-run#start", "ForbiddenRuns/run_in_a_run"),
];

#[test]
fn every_function_of_the_contract_has_a_handler_with_a_case() {
    let shown: BTreeSet<String> = SHOWN_BY.iter().map(|(function, _)| (*function).to_owned()).collect();
    assert_eq!(shown, functions_of_the_contract(), "functions with a handler, and those that there are");
    let cases = with_cases();
    let without: Vec<_> = SHOWN_BY.iter().filter(|(_, handler)| !cases.contains(*handler)).collect();
    assert!(without.is_empty(), "no case calls these: {without:?}");
}

/// What no handler uses is not imported: the component says what it really calls.
#[test]
fn the_component_calls_every_function_of_the_contract() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("a folder of the target folder");
    let path = target.join("components/conformance.wasm");
    let component = fs::read(&path)
        .unwrap_or_else(|error| panic!("`{}`: {error}; `cargo xtask components`", path.display()));
    let inspection = relight_wit::inspect(&component).expect("a component");
    let called: BTreeSet<String> = inspection.import_names().map(|name| short(&name)).collect();
    assert_eq!(called, functions_of_the_contract());
}

/// `ops#call` of `relight:handler/ops@0.1.0#call`.
fn short(name: &str) -> String {
    let (interface, function) = name.split_once('#').expect("a function of an interface");
    let interface = interface.rsplit('/').next().and_then(|name| name.split('@').next());
    format!("{}#{function}", interface.expect("a name before the version"))
}

/// All functions of the interfaces that a guest may import, as `interface#function`.
fn functions_of_the_contract() -> BTreeSet<String> {
    let mut functions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut interface = "";
    for line in relight_wit::HANDLER_WIT.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("interface ") {
            interface = rest.trim_end_matches(" {");
        } else if let Some((name, _)) = line.split_once(": func(").or(line.split_once(": async func(")) {
            functions.entry(interface).or_default().push(name);
        }
    }
    // What a component exports.
    for interface in ["handler", "handler-async"] {
        assert_eq!(functions.remove(interface), Some(vec!["describe", "invoke", "effect"]));
    }
    let all = functions.into_iter().flat_map(|(interface, functions)| {
        functions.into_iter().map(move |function| format!("{interface}#{function}"))
    });
    all.collect()
}
