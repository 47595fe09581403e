//! Effects and inline runs that reach a real server.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crate::rig::{fails, passes};

/// A server that answers every request with its number; its address and how many there were.
fn server() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let number = counter.fetch_add(1, Ordering::SeqCst) + 1;
            let mut reader = BufReader::new(&stream);
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|read| 2 < read) {
                line.clear();
            }
            let body = number.to_string();
            // Whoever asked may be gone.
            let _ = write!(&stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        }
    });
    (address, count)
}

#[test]
fn a_real_effect_runs_once_however_many_crashes_there_are() {
    let (address, count) = server();
    passes(
        "conformance",
        &format!(
            "allow-http = [{address:?}]\n[[step]]\ninvoke = \"Effects/get\"\nbody = \"http://{address}/\"\n\
             result = {{ status = 200, body = \"1\" }}\n\
             [[step]]\neffect = \"fetch\"\ncount = 1\n",
        ),
    );
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[test]
fn an_inline_run_has_the_result_of_the_first_time() {
    let (address, count) = server();
    passes(
        "conformance",
        &format!(
            "allow-http = [{address:?}]\n[[step]]\ninvoke = \"Runs/get\"\nbody = \"http://{address}/\"\n\
             result = {{ status = 200, body = \"1\" }}\n",
        ),
    );
    assert!(1 < count.load(Ordering::SeqCst), "the work itself is done in every repetition");
}

#[test]
fn what_the_scenario_does_not_allow_is_denied() {
    let (address, count) = server();
    let problem =
        fails("conformance", &format!("[[step]]\ninvoke = \"Effects/get\"\nbody = \"http://{address}/\"\n"));
    assert!(problem.to_string().contains("is not in the allow-list"), "{problem}");
    assert_eq!(count.load(Ordering::SeqCst), 0);
}
