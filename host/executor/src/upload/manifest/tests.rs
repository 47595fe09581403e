//! Manifests that are right, and one mistake at a time.

use super::*;
use crate::bindings::types::{OnExhausted, RetryPolicy};

fn open() -> guest::Options {
    guest::Options {
        public: None,
        inactivity_timeout: None,
        abort_timeout: None,
        idempotency_retention: None,
        journal_retention: None,
        retry: None,
    }
}

fn any() -> guest::PayloadDef {
    guest::PayloadDef { required: false, content_type: None, json_schema: None }
}

fn handler_def(name: &str, mode: guest::HandlerMode) -> HandlerDef {
    HandlerDef {
        name: name.to_owned(),
        mode,
        input: any(),
        output: any(),
        documentation: None,
        options: open(),
        metadata: vec![],
    }
}

fn service_def(name: &str, kind: guest::ServiceKind, handlers: Vec<HandlerDef>) -> ServiceDef {
    ServiceDef {
        name: name.to_owned(),
        kind,
        handlers,
        documentation: None,
        options: open(),
        metadata: vec![],
    }
}

fn manifest(services: Vec<ServiceDef>) -> Manifest {
    Manifest { sdk: "test/1".to_owned(), services, effects: vec![] }
}

fn exclusive(name: &str) -> HandlerDef {
    handler_def(name, guest::HandlerMode::Exclusive)
}

fn simple(name: &str) -> ServiceDef {
    service_def(name, guest::ServiceKind::Service, vec![exclusive("run")])
}

#[track_caller]
fn refused(manifest: Manifest, expected: &str) {
    let error = check(manifest).expect_err("the manifest has a mistake");
    assert!(error.to_string().contains(expected), "`{error}` does not contain `{expected}`");
}

#[test]
fn services_and_objects_are_taken_over() {
    let object = service_def(
        "shop.Cart-2",
        guest::ServiceKind::VirtualObject,
        vec![exclusive("add_ticket"), handler_def("count", guest::HandlerMode::Shared)],
    );
    let checked = check(manifest(vec![simple("Greeter"), object])).expect("nothing is wrong");
    let kinds: Vec<_> = checked.services.iter().map(|service| (&*service.name, service.kind)).collect();
    assert_eq!(kinds, [("Greeter", ServiceKind::Service), ("shop.Cart-2", ServiceKind::VirtualObject)]);
    let modes: Vec<_> = checked.services[1].handlers.iter().map(|handler| handler.mode).collect();
    assert_eq!(modes, [HandlerMode::Exclusive, HandlerMode::Shared]);
}

#[test]
fn names_follow_the_rules_of_paths() {
    for (name, expected) in [
        ("", "does not begin with a letter"),
        ("1st", "does not begin with a letter"),
        ("a b", "contains ` `"),
        ("a/b", "contains `/`"),
        ("Ünicode", "does not begin with a letter"),
        ("RelightThing", "begins with `relight`"),
        ("restate", "begins with `restate`"),
        ("OpenAPI", "is reserved"),
    ] {
        refused(manifest(vec![simple(name)]), expected);
    }
    for name in ["a.b", "a-b", "openapi"] {
        let service = service_def("S", guest::ServiceKind::Service, vec![exclusive(name)]);
        refused(manifest(vec![service]), "handler name");
    }
}

#[test]
fn duplicates_are_refused_by_name() {
    refused(manifest(vec![simple("S"), simple("S")]), "service `S` is there twice");
    let twice = service_def("S", guest::ServiceKind::Service, vec![exclusive("h"), exclusive("h")]);
    refused(manifest(vec![twice]), "handler of `S` `h` is there twice");
}

#[test]
fn empty_manifests_and_services_are_refused() {
    refused(manifest(vec![]), "no services");
    refused(manifest(vec![service_def("S", guest::ServiceKind::Service, vec![])]), "`S` has no handlers");
}

fn workflow(handlers: Vec<HandlerDef>) -> Manifest {
    manifest(vec![service_def("W", guest::ServiceKind::Workflow, handlers)])
}

fn run(name: &str) -> HandlerDef {
    handler_def(name, guest::HandlerMode::Workflow)
}

fn shared(name: &str) -> HandlerDef {
    handler_def(name, guest::HandlerMode::Shared)
}

#[test]
fn workflow_has_one_run_and_shared_handlers() {
    let checked = check(workflow(vec![shared("look"), run("start")])).expect("nothing is wrong");
    assert_eq!(checked.services[0].kind, ServiceKind::Workflow);
    let modes: Vec<_> = checked.services[0].handlers.iter().map(|handler| handler.mode).collect();
    assert_eq!(modes, [HandlerMode::Shared, HandlerMode::Workflow]);
    check(workflow(vec![run("alone")])).expect("a run is enough");
}

#[test]
fn workflow_with_other_handlers_is_refused() {
    let needed = "it needs exactly one";
    refused(workflow(vec![shared("look")]), needed);
    refused(workflow(vec![run("one"), run("two")]), needed);
    refused(workflow(vec![run("run"), exclusive("change")]), "`W/change` is exclusive");
}

#[test]
fn run_belongs_to_a_workflow() {
    for kind in [guest::ServiceKind::Service, guest::ServiceKind::VirtualObject] {
        refused(manifest(vec![service_def("S", kind, vec![run("run")])]), "`S` is not a workflow");
    }
}

#[test]
fn service_has_no_shared_handlers() {
    let service = service_def("S", guest::ServiceKind::Service, vec![shared("read")]);
    refused(manifest(vec![service]), "`S/read` is shared");
}

#[test]
fn nonsense_policies_are_refused_by_path() {
    let retry = RetryPolicy {
        initial_interval: 1,
        factor: 0.0,
        max_interval: 1,
        max_attempts: None,
        max_duration: None,
        on_exhausted: OnExhausted::Pause,
    };
    let mut service = simple("S");
    service.handlers[0].options.retry = Some(retry);
    refused(manifest(vec![service]), "`S/run`: factor 0 of the retry policy");
    let mut service = simple("S");
    service.options.abort_timeout = Some(0);
    refused(manifest(vec![service]), "abort timeout of zero");
}
