//! The component `conformance` against a server: every handler of it, with instances that wait and with ones that do not.
//!
//! What is called and answered is in `conformance_answers.rs`, what fails and is tried again in `conformance_failing.rs`, what is
//! looked at from outside in `conformance_outside.rs` and `conformance_later.rs`.

use std::{
    collections::{BTreeSet, HashMap},
    pin::Pin,
    sync::Arc,
};

use tokio::task::JoinSet;

use crate::{
    conformance_answers, conformance_failing, conformance_later, conformance_outside,
    ledger::Ledger,
    support::{Folder, Server},
};

/// What cases run against, all at once: each uses keys of its own.
pub struct World {
    pub server: Server,
    pub ledger: Ledger,
}

pub type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One behaviour, by the handlers that show it.
pub struct Case {
    pub name: &'static str,
    /// As `Service/handler`.
    pub handlers: &'static [&'static str],
    pub run: fn(Arc<World>) -> Running,
}

#[tokio::test]
async fn every_handler_does_what_it_says() {
    every_case("conformance", &[]).await;
}

#[tokio::test]
async fn every_handler_does_what_it_says_when_every_wait_suspends() {
    every_case("conformance", &[("RELIGHT_EXECUTOR__SUSPEND_AFTER", "0")]).await;
}

#[tokio::test]
async fn every_handler_that_is_an_async_function_does_what_it_says_when_every_wait_suspends() {
    every_case("conformance-async", &[("RELIGHT_EXECUTOR__SUSPEND_AFTER", "0")]).await;
}

async fn every_case(component: &str, environment: &[(&str, &str)]) {
    let folder = Folder::new();
    let server = folder.start_with(environment).await;
    let ledger = Ledger::start().await;
    server.deploy_with(component, "?allow_http=127.0.0.1").await;
    assert_eq!(
        with_cases(),
        deployed_handlers(&server).await,
        "handlers with a case, and those that there are"
    );

    let world = Arc::new(World { server, ledger });
    let mut running = JoinSet::new();
    let mut names = HashMap::new();
    for case in conformance_outside::CASES.iter().chain(conformance_later::CASES) {
        names.insert(running.spawn((case.run)(Arc::clone(&world))).id(), case.name);
    }
    for answer in conformance_answers::all() {
        let name = answer.path;
        names.insert(running.spawn(answer.check(Arc::clone(&world))).id(), name);
    }
    for failing in conformance_failing::ALL {
        names.insert(running.spawn(failing.check(Arc::clone(&world))).id(), failing.path);
    }
    let mut failed = Vec::new();
    while let Some(ended) = running.join_next().await {
        if let Err(error) = ended {
            failed.push(names[&error.id()]);
        }
    }
    assert!(failed.is_empty(), "failed, see above: {failed:?}");
    let Some(world) = Arc::into_inner(world) else { panic!("every case has ended") };
    world.server.stop();
}

/// All handlers that some case names.
pub fn with_cases() -> BTreeSet<String> {
    let cases = conformance_outside::CASES.iter().chain(conformance_later::CASES);
    let outside = cases.flat_map(|case| case.handlers).copied().map(str::to_owned);
    let answers = conformance_answers::all().into_iter().map(|answer| handler_of(answer.path));
    let failing = conformance_failing::ALL.iter().map(|failing| handler_of(failing.path));
    outside.chain(answers).chain(failing).collect()
}

/// `Service/handler` of a path, which may have a key.
fn handler_of(path: &str) -> String {
    let mut segments = path.split('/').skip(1);
    let service = segments.next().expect("a path has a service");
    format!("{service}/{}", segments.last().expect("a path has a handler"))
}

async fn deployed_handlers(server: &Server) -> BTreeSet<String> {
    let services = server.admin("/services").await.json();
    let services = services["services"].as_array().expect("a list").clone();
    let handlers = services.iter().flat_map(|service| {
        let name = service["name"].as_str().expect("a name");
        let handlers = service["handlers"].as_array().expect("a list");
        handlers.iter().map(move |handler| format!("{name}/{}", handler["name"].as_str().expect("a name")))
    });
    handlers.collect()
}
