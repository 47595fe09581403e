//! Facts about what does not fit into a journal, and about journals that cannot be.

use super::*;

#[track_caller]
fn check_limit(operation: Operation, fits: bool, expected: &str) {
    let mut replay = replay([]);
    match replay.make(START, operation) {
        Ok(_) => assert!(fits, "over the limit: {expected}"),
        Err(error) => {
            assert!(!fits, "within the limit: {error}");
            assert_eq!(error.to_string(), expected);
            assert_eq!(replay.take_batch(), None);
        }
    }
}

#[test]
fn sizes_are_bounded() {
    let zeros = |len| Bytes::from(vec![0; len]);
    let with_input = |len| Operation::Call(Call { input: zeros(len), ..call("1") });
    check_limit(with_input(ENTRY_BYTES_MAX), true, "");
    check_limit(
        with_input(ENTRY_BYTES_MAX + 1),
        false,
        "the input of the call at index 1 has 10485761 bytes, over the limit of 10485760",
    );
    let with_value = |len| Operation::SetState { key: "k".into(), value: zeros(len) };
    check_limit(with_value(STATE_VALUE_BYTES_MAX), true, "");
    check_limit(
        with_value(STATE_VALUE_BYTES_MAX + 1),
        false,
        "the value of the set-state at index 1 has 1048577 bytes, over the limit of 1048576",
    );
    let with_key = |len| Operation::ClearState { key: "k".repeat(len) };
    check_limit(with_key(STATE_KEY_BYTES_MAX), true, "");
    check_limit(
        with_key(STATE_KEY_BYTES_MAX + 1),
        false,
        "the key of the clear-state at index 1 has 1025 bytes, over the limit of 1024",
    );
    let with_name = |len| Operation::Timer { due: Due::Now, name: Some("n".repeat(len)) };
    check_limit(with_name(1 << 16), true, "");
    check_limit(
        with_name((1 << 16) + 1),
        false,
        "the text of the timer at index 1 has 65537 bytes, over the limit of 65536",
    );
}

#[test]
fn a_key_over_the_limit_is_not_read() {
    let mut replay = replay([]);
    let key = "k".repeat(STATE_KEY_BYTES_MAX + 1);
    let error = replay
        .get_state(START, &key, || -> Result<_, Infallible> { panic!("the view is asked") })
        .expect_err("over the limit");
    assert_eq!(
        error.to_string(),
        "the key of the get-state at index 1 has 1025 bytes, over the limit of 1024"
    );
}

#[test]
fn the_journal_is_bounded_in_entries() {
    let mut replay = replay((2..JOURNAL_ENTRIES_MAX).map(|_| op(Operation::Awakeable)));
    for _ in 2..JOURNAL_ENTRIES_MAX {
        make(&mut replay, Operation::Awakeable);
    }
    assert!(!make(&mut replay, Operation::Awakeable).recorded);
    let error = replay.make(START, Operation::Awakeable).expect_err("full");
    assert_eq!(error.to_string(), "the journal is full: it has the limit of 50000 entries");
    let error = replay.finish(START, Ok(Bytes::new())).expect_err("full");
    assert!(matches!(error, MakeError::Limit(LimitExceeded::Entries { .. })));
}

#[test]
fn the_journal_is_bounded_in_bytes() {
    let payload = Bytes::from(vec![0; ENTRY_BYTES_MAX]);
    let with_payload = || Operation::Call(Call { input: payload.clone(), ..call("1") });
    let fitting = JOURNAL_BYTES_MAX as usize / ENTRY_BYTES_MAX;
    let mut replay = replay([op(with_payload())]);
    for _ in 0..fitting {
        make(&mut replay, with_payload());
    }
    let error = replay.make(START, with_payload()).expect_err("full");
    assert_eq!(
        error.to_string(),
        "the journal is full: with the call at index 7 it would exceed the limit of 67108864 bytes"
    );
    make(&mut replay, timer(1));
}

#[test]
fn failure_messages_are_cut_before_they_are_compared() {
    let outcome = || Err(Failure::new(500, "é".repeat(FAILURE_MESSAGE_CHARS_MAX + 1)));
    let mut live = replay([]);
    live.finish(START, outcome()).expect("fits");
    let (_, entries) = live.take_batch().expect("the output");
    let Operation::Output { outcome: Err(stored) } = &entries[0].operation else { panic!("not the output") };
    assert_eq!(stored.message.chars().count(), FAILURE_MESSAGE_CHARS_MAX);
    assert!(stored.message.ends_with("é…"));
    let mut again = replay(entries.into_iter().map(JournalItem::Operation));
    assert_eq!(again.finish(START, outcome()), Ok(()));

    let whole = "é".repeat(FAILURE_MESSAGE_CHARS_MAX);
    let mut live = replay([]);
    live.finish(START, Err(Failure::new(500, whole.clone()))).expect("fits");
    let (_, entries) = live.take_batch().expect("the output");
    assert_eq!(entries[0].operation, Operation::Output { outcome: Err(Failure::new(500, whole)) });
}

#[test]
fn a_journal_that_contradicts_itself_is_damaged() {
    let output = || op(Operation::Output { outcome: Ok(Bytes::new()) });
    check_damaged(vec![], "journal is damaged at position 0: it does not begin with the input");
    check_damaged(vec![op(timer(1))], "journal is damaged at position 0: it does not begin with the input");
    check_damaged(vec![input(), input()], "journal is damaged at position 1: a second input");
    check_damaged(
        vec![input(), output(), op(timer(1))],
        "journal is damaged at position 2: an operation after the output",
    );
    for index in [0, 1, 2] {
        check_damaged(
            vec![input(), op(set("k", "v")), note(completed(index, 5)), op(timer(1))],
            &format!(
                "journal is damaged at position 2: a notification for `{index}`, which nothing could complete"
            ),
        );
    }
    check_damaged(
        vec![input(), op(timer(1)), note(completed(1, 5)), note(completed(1, 5))],
        "journal is damaged at position 3: a second notification for `1`",
    );
    check_damaged(
        vec![note(cancelled(5)), input()],
        "journal is damaged at position 0: it does not begin with the input",
    );
}

#[test]
fn a_live_notification_behind_missing_items_is_damage() {
    let mut replay = replay([]);
    make(&mut replay, timer(1));
    let error = replay.notify(Position(3), completed(1, 5)).expect_err("position 2 is missing");
    assert_eq!(error.to_string(), "journal is damaged at position 3: items before it are missing");
}
