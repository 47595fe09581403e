//! Guests that break limits: each ends with a message that names the limit, and other invocations do not notice.

use std::time::{Duration, Instant};

use hyper::StatusCode;
use serde_json::json;

use crate::support::{Folder, Server};

/// Greetings of which the median counts.
const GREETINGS: usize = 50;
/// While guests break limits a greeting may take so many times as long …
const SLOWDOWN_MAX: u32 = 10;
/// … or this long: the machine may have one core, which is shared fairly.
const LATENCY_MAX: Duration = Duration::from_millis(500);

/// Path, input, status it comes to, and what its failure says.
type Broken = (&'static str, &'static str, &'static str, &'static str);

/// They end by their own limit.
const BROKEN: [Broken; 18] = [
    ("/Hostile/loop_for_ever", "", "backing-off", "computed for 5000 ms without a host call"),
    ("/Hostile/loop_for_ever_in_an_effect", "", "completed", "computed for 5000 ms without a host call"),
    ("/Hostile/recurse_for_ever", "", "backing-off", "wasm trap"),
    ("/Hostile/eat_memory", "", "backing-off", "memory limit of 67108864 bytes exceeded"),
    ("/Hostile/flood_sends", "", "paused", "limit of 50000 entries"),
    ("/Hostile/flood_timers", "", "paused", "limit of 50000 entries"),
    ("/Hostile/call_for_ever", "", "completed", "calls are nested deeper than 64"),
    ("/Hostile/large_result", "10485760", "paused", "over the limit of 10485760"),
    ("/Hostile/large_effect_result", "10485760", "completed", "over the limit of 10485760"),
    ("/Hostile/large_message", "10485761", "paused", "over the limit of 10485760"),
    ("/Hostile/large_message", "17000000", "backing-off", "too much data is being copied"),
    ("/Hostile/large_headers", "16385", "backing-off", "over the limit of 16384"),
    ("/HostileObject/value/large_value", "1048577", "paused", "over the limit of 1048576"),
    ("/HostileObject/name/long_name", "1025", "paused", "over the limit of 1024"),
    ("/HostileObject/flood/flood_state", "", "paused", "limit of 67108864 bytes"),
    ("/Hostile/large_failure", "1000000", "completed", "xxxx"),
    ("/Hostile/flood_logs", "5000", "completed", ""),
    ("/Hostile/long_log_line", "1000000", "completed", ""),
];

#[tokio::test]
async fn guests_that_break_limits_end_with_a_message_and_disturb_nobody() {
    let folder = Folder::new();
    let server = folder.start().await;
    server.deploy("greeter").await;
    server.deploy("hostile").await;
    let before = median_greeting(&server).await;

    let endless = server.send("/Hostile/loop_over_the_clock", "").await;
    let mut ids = Vec::new();
    for (path, input, ..) in BROKEN {
        ids.push(server.send(path, input).await);
    }
    let during = median_greeting(&server).await;
    assert!(
        during <= (before * SLOWDOWN_MAX).max(LATENCY_MAX),
        "a greeting took {before:?} before and {during:?} meanwhile"
    );
    for ((path, _, status, message), id) in BROKEN.into_iter().zip(&ids) {
        let detail = server.until_detail(id, |detail| detail["status"] == status).await;
        let said = detail["last_failure"]["message"].as_str().or(detail["completion_failure"].as_str());
        assert!(said.unwrap_or_default().contains(message), "{path}: {said:?}");
    }
    // It makes host calls, and so is stopped only by its abort timeout or by whoever kills it.
    let running = server.until_detail(&endless, |detail| detail["status"] == "running").await;
    assert_eq!(running["retry_count"], 0, "{running}");
    server.end("kill", &endless).await;
    for (id, (.., status, _)) in ids.iter().zip(BROKEN) {
        if status != "completed" {
            server.end("kill", id).await;
        }
        server.until_detail(id, |detail| detail["status"] == "completed").await;
    }
    log_is_bounded(&server, &ids);
    median_greeting(&server).await;
    server.stop();
}

/// The median time of calls that all succeed.
async fn median_greeting(server: &Server) -> Duration {
    let mut times = Vec::new();
    for _ in 0..GREETINGS {
        let started = Instant::now();
        let answer = server.post("/Greeter/greet", &[], r#"{"name":"Ada"}"#).await;
        times.push(started.elapsed());
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        assert_eq!(answer.json()["message"], json!("Hello, Ada!"));
    }
    times.sort();
    times[GREETINGS / 2]
}

/// 1,000 lines of one attempt and 8 KiB of one line are written.
fn log_is_bounded(server: &Server, ids: &[String]) {
    let log = server.log();
    let lines_of = |path: &str| -> Vec<&str> {
        let index = BROKEN.iter().position(|broken| broken.0 == path).expect("it is in the list");
        log.lines().filter(|line| line.contains(&ids[index])).collect()
    };
    let flood = lines_of("/Hostile/flood_logs");
    let dropped = flood.iter().filter(|line| line.contains("more lines of this attempt are dropped")).count();
    assert_eq!((flood.len(), dropped), (1_001, 1));
    let long = lines_of("/Hostile/long_log_line");
    assert_eq!(long.len(), 1);
    assert!(long[0].len() < 20_000, "a line of {} bytes", long[0].len());
}
