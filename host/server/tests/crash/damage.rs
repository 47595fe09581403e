//! A log that lost something acknowledged: the server refuses to start, says where, and changes nothing.

use std::{
    fs::{self, File},
    path::Path,
};

use tokio::sync::watch;

use crate::{
    component::deploy,
    http::Caller,
    ledger::Ledger,
    scenario,
    server::{DAMAGED, Environment, Place, files_with_ending},
};

#[tokio::test]
async fn a_changed_byte_of_the_log_is_refused() {
    refused("up", |wal| {
        let mut bytes = fs::read(wal).expect("read the log");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
        fs::write(wal, bytes).expect("write the log");
    })
    .await;
}

#[tokio::test]
async fn a_log_that_is_cut_off_is_refused() {
    refused("server", |wal| {
        let file = File::options().write(true).open(wal).expect("open the log");
        let length = file.metadata().expect("a length").len();
        file.set_len(length - 1).expect("cut the log");
    })
    .await;
}

/// Damages the write-ahead log of a killed server, and expects that `relight COMMAND` does not start, twice alike.
async fn refused(command: &str, damage: impl FnOnce(&Path)) {
    let place = used().await;
    let log = place.data().join("log/rocksdb");
    let wals = files_with_ending(&log, "log").expect("a log");
    let wal = wals.first().expect("a killed server leaves a write-ahead log");
    damage(wal);
    let damaged = fs::read(wal).expect("read the log");

    let name = wal.file_name().expect("a file").to_str().expect("a name of digits");
    let mut answers = Vec::new();
    for _ in 0..2 {
        let before = place.logged().len();
        let status = place.spawn(command, &Environment::new()).ended().await;
        let words = place.logged().split_off(before);
        assert_eq!(status.code(), Some(DAMAGED), "{words}");
        assert!(words.contains(name), "the file is not named: {words}");
        assert!(words.contains("LSN "), "the position is not named: {words}");
        answers.push(words.lines().find(|line| line.starts_with("error: ")).map(str::to_owned));
    }
    assert_eq!(answers[0], answers[1]);
    assert!(fs::read(wal).expect("read the log") == damaged, "the log was changed");
}

/// The folder of a server that was killed after some work, in its first life.
async fn used() -> Place {
    let ledger = Ledger::start().await;
    let place = Place::new();
    let (here, whereabouts) = watch::channel(None);
    let caller = Caller::new(whereabouts);
    let server = place.start(&Environment::new()).await;
    here.send_replace(Some(server.addresses()));
    deploy(&caller).await;
    scenario::run(&caller, &ledger.url, "used").await;
    server.kill().await;
    place
}
