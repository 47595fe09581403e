//! Facts about what replay compares, and what it says when it stops.

use super::*;

#[test]
fn another_kind_is_a_mismatch() {
    let mut replay = replay([op(Operation::Call(call("7")))]);
    check_mismatch(
        replay.make(START, timer(5000)),
        "journal mismatch at entry 1: the journal recorded a call of `Ticket/7/reserve`, the handler now asks for a sleep \
         of 5 s",
    );
}

#[test]
fn every_compared_part_is_named_when_it_differs() {
    let with = |change: fn(&mut Call)| {
        let mut changed = call("7");
        change(&mut changed);
        Operation::Call(changed)
    };
    let base = || Operation::Call(call("7"));
    let awakeable = |outcome| Operation::ResolveAwakeable {
        id: AwakeableId { invocation: call("7").callee, incarnation: Lsn(1), index: EntryIndex(1) },
        outcome,
    };
    for (recorded, got, expected_recorded, expected_got) in [
        (timer(1), timer(2), "a sleep of 1 ms", "a sleep of 2 ms"),
        (
            timer(1),
            Operation::Timer { due: Due::At(Timestamp(9)), name: Some("n".into()) },
            "a sleep of 1 ms",
            "a sleep until 1970-01-01T00:00:00.009Z named `n`",
        ),
        (set("k", "v"), set("l", "v"), "a write of the state `k`", "a write of the state `l`"),
        (
            set("k", "v"),
            set("k", "w"),
            "a write of the state `k` with the value `v`",
            "a write of the state `k` with the value `w`",
        ),
        (
            effect("charge", "1"),
            effect("charge", "2"),
            "the effect `charge` with the input `1`",
            "the effect `charge` with the input `2`",
        ),
        (effect("charge", "1"), effect("refund", "1"), "the effect `charge`", "the effect `refund`"),
        (
            base(),
            with(|call| call.target.key = Some("8".into())),
            "a call of `Ticket/7/reserve`",
            "a call of `Ticket/8/reserve`",
        ),
        (
            base(),
            with(|call| call.name = Some("n".into())),
            "a call of `Ticket/7/reserve`",
            "a call of `Ticket/7/reserve` named `n`",
        ),
        (
            base(),
            with(|call| call.idempotency_key = Some("k".into())),
            "a call of `Ticket/7/reserve` with the idempotency key ``",
            "a call of `Ticket/7/reserve` with the idempotency key `k`",
        ),
        (
            base(),
            with(|call| call.input = Bytes::new()),
            "a call of `Ticket/7/reserve` with the input `{}`",
            "a call of `Ticket/7/reserve` with the input ``",
        ),
        (
            base(),
            with(|call| call.input = Bytes::from_static(&[0xff])),
            "a call of `Ticket/7/reserve`",
            "it with another input",
        ),
        (
            base(),
            with(|call| call.headers.push(("a".into(), "b".into()))),
            "a call of `Ticket/7/reserve` with the headers ``",
            "a call of `Ticket/7/reserve` with the headers `a: b`",
        ),
        (
            Operation::Send { call: call("7"), due: Due::Now },
            Operation::Send { call: call("7"), due: Due::After(DurationMs(3)) },
            "a send to `Ticket/7/reserve`",
            "a send to `Ticket/7/reserve` after 3 ms",
        ),
        (Operation::ClearAllState, Operation::Awakeable, "a removal of all state", "an awakeable"),
        (
            Operation::ClearState { key: "k".repeat(200) },
            Operation::Awakeable,
            &format!("a removal of the state `{}…`", "k".repeat(100)),
            "an awakeable",
        ),
        (
            awakeable(Ok(Bytes::new())),
            awakeable(Err(Failure::cancelled())),
            "a value for the awakeable `sign_1AAAAAAAAAAcAAAAAAAAAAAAAAAAAAAAHAAAAAAAAAAEAAAAB`",
            "a failure for the awakeable `sign_1AAAAAAAAAAcAAAAAAAAAAAAAAAAAAAAHAAAAAAAAAAEAAAAB`",
        ),
    ] {
        let mut replay = replay([op(recorded)]);
        let expected = format!(
            "journal mismatch at entry 1: the journal recorded {expected_recorded}, the handler now asks for {expected_got}"
        );
        check_mismatch(replay.make(START, got), &expected);
    }
}

#[test]
fn retry_and_timeout_of_an_effect_may_change() {
    let mut replay = replay([op(effect("charge", "1"))]);
    let changed = Operation::Effect {
        name: "charge".into(),
        input: Bytes::from_static(b"1"),
        retry: RetryPolicy { max_attempts: Some(1), ..RetryPolicy::EFFECT },
        timeout: DurationMs::hours(1),
    };
    assert!(make(&mut replay, changed).recorded);
}

#[test]
fn a_state_read_in_place_of_another_operation_is_a_mismatch() {
    let mut replay = replay([op(timer(1))]);
    let read = replay.get_state(START, "cart", || Ok::<_, Infallible>(None));
    check_mismatch(
        read,
        "journal mismatch at entry 1: the journal recorded a sleep of 1 ms, the handler now asks for a read of the state \
         `cart`",
    );
    let read = replay.state_keys(START, || Ok::<_, Infallible>(Vec::new()));
    check_mismatch(
        read,
        "journal mismatch at entry 1: the journal recorded a sleep of 1 ms, the handler now asks for a list of the keys of \
         the state",
    );
}

#[test]
fn returning_while_operations_remain_is_a_mismatch() {
    let journal = || [op(Operation::Call(call("7")))];
    check_mismatch(
        replay(journal()).finish(START, Ok(Bytes::new())),
        "journal mismatch at entry 1: the journal recorded a call of `Ticket/7/reserve`, the handler now returns a result",
    );
    check_mismatch(
        replay(journal()).finish(START, Err(Failure::new(404, "no such ticket"))),
        "journal mismatch at entry 1: the journal recorded a call of `Ticket/7/reserve`, the handler now returns the \
         failure `[404] no such ticket`",
    );
}

#[test]
fn another_result_is_a_mismatch() {
    let journal = || [op(Operation::Output { outcome: Ok(Bytes::from_static(b"1")) })];
    assert_eq!(replay(journal()).finish(START, Ok(Bytes::from_static(b"1"))), Ok(()));
    check_mismatch(
        replay(journal()).finish(START, Ok(Bytes::from_static(b"2"))),
        "journal mismatch at entry 1: the journal recorded the handler's result with the value `1`, the handler now returns a \
         result with the value `2`",
    );
    check_mismatch(
        replay(journal()).make(START, timer(1)),
        "journal mismatch at entry 1: the journal recorded the handler's result, the handler now asks for a sleep of 1 ms",
    );
}

#[test]
fn a_wait_that_the_record_does_not_answer_is_a_mismatch() {
    let mut replay = replay([op(timer(1)), op(timer(2)), note(completed(1, 5)), op(set("k", "v"))]);
    make(&mut replay, timer(1));
    // The completion stands behind the timer that comes next.
    check_mismatch(
        wait_any(&mut replay, &[1]),
        "journal mismatch at entry 2: the journal recorded a sleep of 2 ms, the handler now waits for entry 1, which has no \
         answer there",
    );
    make(&mut replay, timer(2));
    assert_eq!(wait_any(&mut replay, &[1, 2]), Ok(ready(1)));
    check_mismatch(
        wait_all(&mut replay, &[1, 2]),
        "journal mismatch at entry 3: the journal recorded a write of the state `k`, the handler now waits for all of the \
         entries 1, 2, which has no answer there",
    );
    check_mismatch(
        wait_any(&mut replay, &[2; 9]),
        "journal mismatch at entry 3: the journal recorded a write of the state `k`, the handler now waits for any of the \
         entries 2, 2, 2, 2, 2, 2, 2, 2, …, which has no answer there",
    );
}
