//! The table of routes.

use relight_core::{EntryIndex, Lsn, ids::PartitionKey};

use super::*;

fn kind(name: &str) -> Option<ServiceKind> {
    match name {
        "Greeter" => Some(ServiceKind::Service),
        "Cart" => Some(ServiceKind::VirtualObject),
        "Signup" => Some(ServiceKind::Workflow),
        _ => None,
    }
}

fn get(path: &str) -> Result<Route<'_>, RouteError> {
    by(&Method::GET, path)
}

fn by<'p>(method: &Method, path: &'p str) -> Result<Route<'p>, RouteError> {
    match path.split_once('?') {
        Some((path, query)) => route(method, path, Some(query), kind),
        None => route(method, path, None, kind),
    }
}

fn target(mode: InvokeMode, service: &str, key: Option<&str>, handler: &str) -> Route<'static> {
    Route::Invoke(Invoke {
        mode,
        service: service.to_owned().into(),
        key: key.map(|key| key.to_owned().into()),
        handler: handler.to_owned().into(),
    })
}

fn bad(path: &str) -> String {
    match get(path) {
        Err(RouteError::Bad(message)) => message,
        other => panic!("{path} gives {other:?}"),
    }
}

const CALL: InvokeMode = InvokeMode::Call;
const SEND: InvokeMode = InvokeMode::Send { delay: None };
const LATER: InvokeMode = InvokeMode::Send { delay: Some(Duration::from_secs(86_400)) };

#[test]
fn calls_and_sends() {
    for (path, mode, service, key, handler) in [
        ("/Greeter/greet", CALL, "Greeter", None, "greet"),
        ("/Greeter/greet/", CALL, "Greeter", None, "greet"),
        ("/Greeter/greet?x=1", CALL, "Greeter", None, "greet"),
        ("/Greeter/send", CALL, "Greeter", None, "send"),
        ("/Greeter/send/send", SEND, "Greeter", None, "send"),
        ("/Greeter/greet/send", SEND, "Greeter", None, "greet"),
        ("/Greeter/greet/send//?delay=1+day", LATER, "Greeter", None, "greet"),
        ("/Greeter/greet/send?a=b&delay=P1D", LATER, "Greeter", None, "greet"),
        ("/Cart/mary/add", CALL, "Cart", Some("mary"), "add"),
        ("/Cart/send/send", CALL, "Cart", Some("send"), "send"),
        ("/Cart/mary/add/send", SEND, "Cart", Some("mary"), "add"),
        ("/Cart/a%2Fb%20c/add", CALL, "Cart", Some("a/b c"), "add"),
        ("/relight/call/Greeter/greet", CALL, "Greeter", None, "greet"),
        ("/restate/call/Cart/mary/add", CALL, "Cart", Some("mary"), "add"),
        ("/relight/send/Greeter/greet", SEND, "Greeter", None, "greet"),
        ("/relight/send/Cart/mary/add?delay=1d", LATER, "Cart", Some("mary"), "add"),
        ("/Signup/mary/run", CALL, "Signup", Some("mary"), "run"),
        ("/Signup/mary/run/send?delay=1d", LATER, "Signup", Some("mary"), "run"),
        ("/restate/send/Signup/mary/run", SEND, "Signup", Some("mary"), "run"),
    ] {
        for method in [Method::GET, Method::POST] {
            assert_eq!(by(&method, path), Ok(target(mode, service, key, handler)), "{method} {path}");
        }
        assert_eq!(by(&Method::PUT, path), Err(RouteError::Method { allow: "GET, POST" }), "{path}");
    }
}

#[test]
fn paths_that_do_not_fit_their_service_are_bad() {
    for path in [
        "/Greeter",
        "/Greeter/greet/now",
        "/Greeter/greet/send/send",
        "/relight/call/Greeter/greet/send",
        "/relight/send/Greeter/greet/send",
        "/Greeter//",
    ] {
        assert!(bad(path).contains("/Greeter/{handler}"), "{path}");
    }
    for path in ["/Cart", "/Cart/add", "/Cart/mary/add/now", "/relight/call/Cart/add"] {
        assert!(bad(path).contains("/Cart/{key}/{handler}"), "{path}");
    }
    assert_eq!(
        bad("/Signup/run"),
        "bad path: `Signup` is a workflow, its handlers are at /Signup/{key}/{handler}"
    );
    assert!(bad("/Cart//add").contains("empty"));
    assert!(bad("/Cart/%ff/add").contains("`%ff` is not well encoded"));
    assert!(bad(&format!("/Greeter/{}", "x".repeat(PATH_BYTES_MAX))).contains("longer"));
}

#[test]
fn delays_that_do_not_parse_or_belong_are_bad() {
    assert!(bad("/Greeter/greet/send?delay=soon").contains("`soon`"));
    assert!(bad("/Greeter/greet/send?delay=-1s").contains("negative"));
    assert!(bad("/Greeter/greet/send?delay=%").contains("encoded"));
    assert!(bad("/Greeter/greet?delay=1s").contains("/send"));
}

#[test]
fn unknown_paths_are_not_found() {
    for path in [
        "/",
        "",
        "/relight",
        "/relight/",
        "/relight/call",
        "/relight/nothing",
        "/relight/invocation/a/b/attach",
        "/relight/invocation/a/b/c/d/e/attach",
        "/1/2/3/4/5/6/7/8/9/10/11",
    ] {
        assert_eq!(get(path), Err(RouteError::NotFound), "{path}");
    }
    assert_eq!(get("/Nobody/greet"), Err(RouteError::UnknownService("Nobody".to_owned())));
    assert_eq!(get("/relight/call/No%20body/x"), Err(RouteError::UnknownService("No body".to_owned())));
}

#[test]
fn results() {
    let id = InvocationId { key: PartitionKey(7), unique: 9 };
    for door in ["relight", "restate"] {
        for (verb, wait) in [("attach", Wait::Attach), ("output", Wait::Output)] {
            for path in [format!("/{door}/{verb}/{id}"), format!("/{door}/invocation/{id}/{verb}/")] {
                assert_eq!(get(&path), Ok(Route::Result(wait, Reference::Id(id))), "{path}");
                assert_eq!(by(&Method::POST, &path), Err(RouteError::Method { allow: "GET" }), "{path}");
            }
            for key in [None, Some("mary")] {
                let part = key.map(|key| format!("/{key}")).unwrap_or_default();
                let path = format!("/{door}/invocation/S{part}/h/i%2Fk/{verb}");
                let reference = Reference::Idempotent {
                    service: "S".into(),
                    key: key.map(Into::into),
                    handler: "h".into(),
                    idempotency_key: "i/k".into(),
                };
                assert_eq!(get(&path), Ok(Route::Result(wait, reference)), "{path}");
            }
            let path = format!("/{door}/workflow/Signup/a%2Fb/{verb}");
            let reference = Reference::Workflow { service: "Signup".into(), key: "a/b".into() };
            assert_eq!(get(&path), Ok(Route::Result(wait, reference)), "{path}");
            assert_eq!(by(&Method::POST, &path), Err(RouteError::Method { allow: "GET" }), "{path}");
            let path = format!("/{door}/{verb}");
            assert_eq!(by(&Method::POST, &path), Ok(Route::ByBody(ByBody::Result(wait))));
            assert_eq!(get(&path), Err(RouteError::Method { allow: "POST" }));
        }
        assert_eq!(by(&Method::POST, &format!("/{door}/lookup")), Ok(Route::ByBody(ByBody::Lookup)));
    }
    assert!(bad("/relight/attach/inv_1x").contains("`inv_1x` is not an invocation id"));
    assert!(bad("/relight/invocation/x/output").contains("`x` is not an invocation id"));
}

#[test]
fn signals_and_promises() {
    let to = InvocationId { key: PartitionKey(7), unique: 9 };
    for door in ["relight", "restate"] {
        for (verb, resolution) in [("resolve", Resolution::Resolve), ("reject", Resolution::Reject)] {
            let path = format!("/{door}/signals/{to}/a%2Fb/{verb}");
            let signal = Route::Signal { to, name: "a/b".into(), resolution };
            assert_eq!(by(&Method::POST, &path), Ok(signal), "{path}");
            assert_eq!(get(&path), Err(RouteError::Method { allow: "POST" }), "{path}");

            let path = format!("/{door}/promises/Signup/mary/go/{verb}");
            let (workflow, key, name) = ("Signup".into(), "mary".into(), "go".into());
            let promise = Route::Promise { workflow, key, name, resolution };
            assert_eq!(by(&Method::POST, &path), Ok(promise), "{path}");
            assert_eq!(get(&path), Err(RouteError::Method { allow: "POST" }), "{path}");
        }
    }
    let post = |path| by(&Method::POST, path);
    assert!(matches!(post("/relight/signals/inv_1x/go/resolve"), Err(RouteError::Bad(_))));
    assert!(matches!(post("/relight/promises/Signup//go/resolve"), Err(RouteError::Bad(_))));
    assert_eq!(
        post("/relight/promises/Cart/mary/go/resolve"),
        Err(RouteError::Bad("`Cart` is a virtual object: only workflows have promises".to_owned()))
    );
    let unknown = Err(RouteError::UnknownService("Nobody".to_owned()));
    assert_eq!(post("/relight/promises/Nobody/mary/go/reject"), unknown);
    for path in ["/relight/signals/go/resolve", "/relight/promises/Signup/go/reject", "/relight/x/resolve"] {
        assert_eq!(post(path), Err(RouteError::NotFound), "{path}");
    }
}

#[test]
fn awakeables_and_health() {
    let id = AwakeableId {
        invocation: InvocationId { key: PartitionKey(7), unique: 9 },
        incarnation: Lsn(3),
        index: EntryIndex(1),
    };
    for start in ["/relight/awakeables", "/relight/a", "/restate/awakeables", "/restate/a"] {
        for (verb, resolution) in [("resolve", Resolution::Resolve), ("reject", Resolution::Reject)] {
            let path = format!("{start}/{id}/{verb}");
            assert_eq!(by(&Method::POST, &path), Ok(Route::Awakeable { id, resolution }));
            assert_eq!(get(&path), Err(RouteError::Method { allow: "POST" }));
        }
    }
    assert!(matches!(by(&Method::POST, "/relight/a/sign_1x/resolve"), Err(RouteError::Bad(_))));
    assert_eq!(get("/relight/health"), Ok(Route::Health));
    assert_eq!(by(&Method::POST, "/restate/health"), Err(RouteError::Method { allow: "GET" }));
}

#[test]
fn only_our_own_paths_answer_without_the_other_headers() {
    assert!(!answers_both("/relight/call/Greeter/greet"));
    assert!(answers_both("/restate/call/Greeter/greet"));
    assert!(answers_both("/Greeter/greet"));
}

#[test]
fn names_and_keys_are_bounded() {
    let id = InvocationId { key: PartitionKey(7), unique: 9 };
    let workflow = |_: &str| Some(ServiceKind::Workflow);
    for (bytes, fits) in [(NAME_BYTES_MAX, true), (NAME_BYTES_MAX + 1, false)] {
        let name = "n".repeat(bytes);
        for (method, path, what) in [
            (Method::POST, format!("/relight/signals/{id}/{name}/resolve"), "name of the signal"),
            (Method::POST, format!("/relight/promises/F/k/{name}/reject"), "name of the promise"),
            (Method::POST, format!("/relight/promises/F/{name}/p/reject"), "key"),
            (Method::POST, format!("/F/{name}/run"), "key"),
            (Method::POST, format!("/relight/send/F/{name}/run"), "key"),
            (Method::GET, format!("/relight/workflow/F/{name}/attach"), "key"),
            (Method::GET, format!("/relight/invocation/F/{name}/run/i/output"), "key"),
            (Method::GET, format!("/relight/invocation/F/k/run/{name}/output"), "idempotency key"),
        ] {
            match route(&method, &path, None, workflow) {
                Ok(_) => assert!(fits, "{bytes} bytes: {path}"),
                Err(error) => {
                    let expected = format!("the {what} is longer than 1024 bytes");
                    assert_eq!((fits, error), (false, RouteError::Bad(expected)), "{path}");
                }
            }
        }
    }
}
