//! Attempts of effects, and their way out: HTTP by the allow-list.

use relight_core::{
    Outcome,
    command::{Command, EffectError},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::{
    peer::{allowing, serve_once},
    rig::{Options, Rig, start_effect},
};

async fn result(rig: &Rig) -> Result<Outcome, EffectError> {
    match rig.leader.next().await {
        Command::EffectCompleted { outcome, .. } => Ok(outcome),
        Command::EffectFailed { error, .. } => Err(error),
        other => panic!("an effect does not propose this: {other:?}"),
    }
}

#[tokio::test]
async fn effect_is_live_and_knows_its_attempt() {
    let rig = Rig::new(Options::default());
    let deployed = rig.deploy("conformance").await;
    let _running = start_effect(&rig, deployed.deployment.clone(), "live_facts", "null");
    let facts = result(&rig).await.expect("it completes").expect("it succeeds");
    let facts = String::from_utf8(facts.to_vec()).expect("JSON is UTF-8");
    assert!(facts.contains(r#""attempt":2"#), "{facts}");
    assert!(facts.contains("inv_1"), "the key names the invocation: {facts}");
}

#[tokio::test]
async fn allowed_request_is_sent_and_its_answer_comes_back() {
    let rig = Rig::new(Options::default());
    let deployed = rig.deploy("conformance").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound").to_string();
    let deployment = allowing(&deployed, &address);
    let url = format!("\"http://{address}/path?q=1\"");
    let _running = start_effect(&rig, deployment, "fetch", &url);
    let response = "HTTP/1.1 201 Created\r\ncontent-length: 5\r\n\r\nhello";
    let head = serve_once(&listener, response).await;
    assert!(head.starts_with("GET /path?q=1 HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("host: {address}\r\n")), "{head}");
    assert!(head.contains("idempotency-key: inv_1"), "{head}");
    let answer = result(&rig).await.expect("it completes").expect("it succeeds");
    assert_eq!(answer, r#"{"status":201,"body":"hello"}"#);
}

#[tokio::test]
async fn redirect_is_an_answer() {
    let rig = Rig::new(Options::default());
    let deployed = rig.deploy("conformance").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound").to_string();
    let _running =
        start_effect(&rig, allowing(&deployed, &address), "fetch", &format!("\"http://{address}/\""));
    let response = "HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n";
    serve_once(&listener, response).await;
    let answer = result(&rig).await.expect("it completes").expect("it succeeds");
    assert_eq!(answer, r#"{"status":302,"body":""}"#);
}

#[tokio::test]
async fn host_that_is_not_named_is_denied() {
    let rig = Rig::new(Options::default());
    let deployed = rig.deploy("conformance").await;
    for (allow, url) in [
        ("example.com", "http://127.0.0.1:1/"),
        ("127.0.0.1:2", "http://127.0.0.1:1/"),
        ("127.0.0.1", "http://user@127.0.0.1:1/"),
        ("127.0.0.1", "ftp://127.0.0.1:1/"),
    ] {
        let _running = start_effect(&rig, allowing(&deployed, allow), "fetch", &format!("\"{url}\""));
        let message = match result(&rig).await {
            Ok(Err(failure)) => failure.message,
            Err(error) => error.message,
            Ok(Ok(bytes)) => panic!("{url} was fetched: {bytes:?}"),
        };
        assert!(!message.is_empty(), "{url}");
        assert!(message.contains("allow-list") || message.contains("URL"), "{url}: {message}");
    }
}

#[tokio::test]
async fn answer_over_the_limit_is_refused() {
    let rig = Rig::new(Options::default());
    let deployed = rig.deploy("conformance").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound").to_string();
    let _running =
        start_effect(&rig, allowing(&deployed, &address), "fetch", &format!("\"http://{address}/\""));
    serve_once(&listener, "HTTP/1.1 200 OK\r\ncontent-length: 10485761\r\n\r\n").await;
    let failed = result(&rig).await;
    assert!(!matches!(failed, Ok(Ok(_))), "{failed:?}");
}

#[tokio::test]
async fn effect_is_stopped_by_its_timeout() {
    let rig = Rig::new(Options::default());
    let deployed = rig.deploy("conformance").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound").to_string();
    // Accepts by the system's queue and never answers.
    let _running =
        start_effect(&rig, allowing(&deployed, &address), "slow", &format!("\"http://{address}/\""));
    let error = result(&rig).await.expect_err("it takes too long");
    assert!(error.message.contains("timed out after 200 ms"), "{}", error.message);
}

#[tokio::test]
async fn failures_of_effects_are_told_apart() {
    let rig = Rig::new(Options::default());
    let deployed = rig.deploy("conformance").await;
    let _running = start_effect(&rig, deployed.deployment.clone(), "refused", "null");
    let failure = result(&rig).await.expect("it is not repeated").expect_err("it is refused");
    assert_eq!((failure.code, &failure.message[..]), (402, "refused"));

    let _running = start_effect(&rig, deployed.deployment.clone(), "always_failing", "null");
    let error = result(&rig).await.expect_err("it may be repeated");
    assert!(error.message.contains("attempt 2 fails"), "{}", error.message);

    let _running = start_effect(&rig, deployed.deployment.clone(), "panicking", "null");
    let error = result(&rig).await.expect_err("it may be repeated");
    assert!(error.message.contains("an effect panics"), "{}", error.message);

    let _running = start_effect(&rig, deployed.deployment.clone(), "start_timer_in_effect", "null");
    let error = result(&rig).await.expect_err("it traps");
    assert!(error.message.contains("`ops.timer` is not available inside an effect"), "{}", error.message);

    let _running = start_effect(&rig, deployed.deployment.clone(), "nothing_of_this_name", "null");
    let failure = result(&rig).await.expect("it is not repeated").expect_err("there is none");
    assert_eq!(failure.code, 404);
}

#[tokio::test]
async fn dropped_effect_closes_its_connection() {
    let rig = Rig::new(Options::default());
    let deployed = rig.deploy("conformance").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound").to_string();
    let running =
        start_effect(&rig, allowing(&deployed, &address), "fetch", &format!("\"http://{address}/\""));
    let (mut stream, _) = listener.accept().await.expect("it connects");
    drop(running);
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.expect("the connection ends");
    assert!(rig.leader.try_next().await.is_none(), "an aborted effect proposes nothing");
    assert_eq!(rig.executor.stats().effects_dropped, 1);
}

#[tokio::test]
async fn endless_loop_in_an_effect_is_stopped() {
    let rig = Rig::new(Options::default());
    let deployed = rig.deploy("hostile").await;
    let _running = start_effect(&rig, deployed.deployment.clone(), "loop_in_effect", "null");
    let error = result(&rig).await.expect_err("it never ends by itself");
    assert!(error.message.contains("computed for 5000 ms without a host call"), "{}", error.message);
}

#[tokio::test]
async fn server_without_tls_is_a_failed_connection() {
    let rig = Rig::new(Options::default());
    let deployed = rig.deploy("conformance").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound").to_string();
    let _running =
        start_effect(&rig, allowing(&deployed, &address), "fetch", &format!("\"https://{address}/\""));
    let (mut stream, _) = listener.accept().await.expect("it connects");
    stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.expect("the answer can be written");
    let error = result(&rig).await.expect_err("it may be repeated");
    assert!(error.message.to_lowercase().contains("connect"), "{}", error.message);
}
