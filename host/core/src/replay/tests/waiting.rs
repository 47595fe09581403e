//! Facts about waits, cancellation and time.

use super::*;

#[test]
fn any_answers_the_lowest_position() {
    let mut replay = replay([op(timer(1)), op(timer(2)), note(completed(2, 5)), note(completed(1, 6))]);
    make(&mut replay, timer(1));
    make(&mut replay, timer(2));
    assert_eq!(wait_any(&mut replay, &[1, 2, 1]), Ok(ready(2)));
    assert_eq!(wait_any(&mut replay, &[1]), Ok(ready(1)));
    assert_eq!(wait_any(&mut replay, &[1, 2]), Ok(ready(2)), "a handle may be waited for again");
}

#[test]
fn all_answers_when_the_last_has_completed() {
    let mut replay = replay([]);
    make(&mut replay, timer(1));
    make(&mut replay, timer(2));
    assert_eq!(wait_all(&mut replay, &[1, 2]), Ok(Waited::Blocked));
    replay.notify(Position(3), completed(2, 5)).expect("in order");
    assert_eq!(wait_all(&mut replay, &[1, 2]), Ok(Waited::Blocked));
    replay.notify(Position(4), completed(1, 6)).expect("in order");
    assert_eq!(wait_all(&mut replay, &[1, 2, 2]), Ok(ready(1)));
    assert_eq!(wait_all(&mut replay, &[]), Ok(ready(0)));
}

#[test]
fn a_notification_behind_the_next_recorded_operation_is_invisible() {
    let mut replay =
        replay([op(timer(1)), op(timer(2)), note(completed(1, 5)), op(set("k", "v")), note(completed(2, 6))]);
    make(&mut replay, timer(1));
    make(&mut replay, timer(2));
    assert_eq!(replay.value(EntryIndex(2)), None);
    assert_eq!(wait_any(&mut replay, &[2, 1]), Ok(ready(1)));
    make(&mut replay, set("k", "v"));
    assert_eq!(wait_any(&mut replay, &[2]), Ok(ready(2)));
    assert_eq!(replay.value(EntryIndex(2)), Some(&Value::Success(Bytes::from_static(b"2"))));
}

#[test]
fn live_notifications_are_invisible_until_the_record_is_exhausted() {
    let mut replay = replay([op(timer(1)), op(timer(2))]);
    replay.notify(Position(3), completed(1, 5)).expect("in order");
    make(&mut replay, timer(1));
    assert!(matches!(wait_any(&mut replay, &[1]), Err(WaitError::Make(MakeError::Mismatch(_)))));
    make(&mut replay, timer(2));
    assert_eq!(wait_any(&mut replay, &[1]), Ok(ready(1)));
}

#[test]
fn a_notification_that_the_journal_has_is_ignored() {
    let mut replay = replay([op(timer(1)), note(completed(1, 5))]);
    assert_eq!(replay.notify(Position(2), completed(1, 5)), Ok(()));
    make(&mut replay, timer(1));
    assert_eq!(wait_any(&mut replay, &[1]), Ok(ready(1)));
}

#[test]
fn unknown_handles_are_named() {
    let mut replay = replay([op(timer(1)), op(set("k", "v")), op(timer(2))]);
    make(&mut replay, timer(1));
    make(&mut replay, set("k", "v"));
    // Input, an operation without a result, one that is recorded but not made, one that does not exist.
    for index in [0, 2, 3, 99] {
        let expected = Err(WaitError::UnknownHandle(EntryIndex(index)));
        assert_eq!(wait_any(&mut replay, &[index]), expected);
        assert_eq!(wait_all(&mut replay, &[index]), expected);
        assert_eq!(replay.value(EntryIndex(index)), None);
    }
    assert_eq!(wait_any(&mut replay, &[]), Err(WaitError::Empty));
}

#[test]
fn a_cancel_before_the_answer_wins() {
    let mut replay = replay([]);
    make(&mut replay, timer(1));
    make(&mut replay, timer(2));
    replay.notify(Position(3), completed(1, 5)).expect("in order");
    replay.notify(Position(4), cancelled(6)).expect("in order");
    replay.notify(Position(5), completed(2, 7)).expect("in order");
    assert_eq!(wait_any(&mut replay, &[1, 2]), Ok(ready(1)), "it completed before the cancel");
    assert_eq!(wait_all(&mut replay, &[1]), Ok(ready(1)));
    assert_eq!(wait_all(&mut replay, &[1, 2]), Ok(Waited::Cancelled), "the last of them completed after it");
    assert_eq!(wait_all(&mut replay, &[1, 2]), Ok(ready(2)), "a cancel is delivered once");
}

#[test]
fn a_cancel_answers_when_nothing_else_does() {
    let mut replay = replay([]);
    make(&mut replay, timer(1));
    replay.notify(Position(2), cancelled(6)).expect("in order");
    assert_eq!(wait_any(&mut replay, &[1]), Ok(Waited::Cancelled));
    assert_eq!(replay.now(), Timestamp(1_000));
    let (_, entries) = replay.take_batch().expect("timer and delivery");
    assert_eq!(entries[1].operation, Operation::CancelDelivered);
    assert_eq!(wait_any(&mut replay, &[1]), Ok(Waited::Blocked));
}

#[test]
fn a_recorded_delivery_is_compared() {
    let journal = || [op(timer(1)), note(cancelled(6)), op(Operation::CancelDelivered), op(timer(2))];
    let mut delivered = replay(journal());
    make(&mut delivered, timer(1));
    assert_eq!(wait_any(&mut delivered, &[1]), Ok(Waited::Cancelled));
    assert_eq!(delivered.operations(), 3);
    make(&mut delivered, timer(2));
    assert_eq!(wait_any(&mut delivered, &[1]), Ok(Waited::Blocked));

    let mut ignored = replay(journal());
    make(&mut ignored, timer(1));
    check_mismatch(
        ignored.make(START, timer(2)),
        "journal mismatch at entry 2: the journal recorded the delivery of a cancellation, the handler now asks for a sleep \
         of 2 ms",
    );

    let mut too_early = replay([op(timer(1)), note(cancelled(6)), op(timer(2))]);
    make(&mut too_early, timer(1));
    check_mismatch(
        wait_any(&mut too_early, &[1]),
        "journal mismatch at entry 2: the journal recorded a sleep of 2 ms, the handler now asks for the delivery of a \
         cancellation",
    );
}

#[test]
fn cancels_before_the_delivery_merge_and_a_later_one_is_delivered_again() {
    let mut replay = replay([
        op(timer(1)),
        note(cancelled(6)),
        note(cancelled(7)),
        op(Operation::CancelDelivered),
        note(cancelled(8)),
    ]);
    make(&mut replay, timer(1));
    assert_eq!(wait_any(&mut replay, &[1]), Ok(Waited::Cancelled));
    assert_eq!(wait_any(&mut replay, &[1]), Ok(Waited::Cancelled));
    assert_eq!(wait_any(&mut replay, &[1]), Ok(Waited::Blocked));
    assert_eq!(replay.take_batch().map(|(first, _)| first), Some(EntryIndex(3)));
}

#[test]
fn a_cancel_that_overtakes_the_delivery_in_the_log_merges() {
    let mut replay = replay([op(timer(1)), note(cancelled(6))]);
    make(&mut replay, timer(1));
    assert_eq!(wait_any(&mut replay, &[1]), Ok(Waited::Cancelled));
    // The delivery is still on its way: position 3 is before it.
    replay.notify(Position(3), cancelled(7)).expect("in order");
    assert_eq!(wait_any(&mut replay, &[1]), Ok(Waited::Blocked));
    // Now it has position 4.
    replay.accepted(3);
    replay.notify(Position(5), cancelled(8)).expect("in order");
    assert_eq!(wait_any(&mut replay, &[1]), Ok(Waited::Cancelled));
}

#[test]
fn now_is_the_greatest_of_what_the_guest_has_seen() {
    let mut replay = replay([
        entry(1_500, timer(1)),
        entry(1_400, timer(2)),
        note(completed(2, 2_000)),
        note(completed(1, 1_900)),
        note(cancelled(2_500)),
    ]);
    assert_eq!(replay.now(), START);
    make(&mut replay, timer(1));
    assert_eq!(replay.now(), Timestamp(1_500));
    make(&mut replay, timer(2));
    assert_eq!(replay.now(), Timestamp(1_500));
    wait_any(&mut replay, &[1]).expect("completed");
    assert_eq!(replay.now(), Timestamp(1_900));
    wait_all(&mut replay, &[1, 2]).expect("completed");
    assert_eq!(replay.now(), Timestamp(2_000));
    replay.make(Timestamp(1), timer(3)).expect("fits");
    assert_eq!(replay.now(), Timestamp(2_000), "a clock that runs backwards does not show");
    assert_eq!(wait_any(&mut replay, &[3]), Ok(Waited::Cancelled));
    assert_eq!(replay.now(), Timestamp(2_500));
    replay.make(Timestamp(2_600), timer(4)).expect("fits");
    assert_eq!(replay.now(), Timestamp(2_600));
    let (_, entries) = replay.take_batch().expect("three are live");
    assert_eq!(entries.iter().map(|entry| entry.made_at.0).collect::<Vec<_>>(), [2_000, 2_500, 2_600]);
}

#[test]
fn all_counts_the_times_of_all_its_handles() {
    let mut replay =
        replay([op(timer(1)), op(timer(2)), note(completed(1, 3_000)), note(completed(2, 2_000))]);
    make(&mut replay, timer(1));
    make(&mut replay, timer(2));
    assert_eq!(wait_all(&mut replay, &[1, 2]), Ok(ready(2)));
    assert_eq!(replay.now(), Timestamp(3_000));
}
