//! Facts about what replay compares, and what it says when it stops.

use super::*;

#[test]
fn another_kind_is_a_mismatch() {
    let mut replay = replay([op(Operation::Call(call("7")))]);
    check_mismatch(
        replay.make(START, timer(5000)),
        "journal mismatch at index 1: recorded call `Ticket/7/reserve`, got timer after 5000 ms",
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
    for (recorded, got, expected) in [
        (timer(1), timer(2), "recorded timer after 1 ms, got timer after 2 ms"),
        (
            timer(1),
            Operation::Timer { due: Due::At(Timestamp(9)), name: Some("n".into()) },
            "recorded timer after 1 ms, got timer at 9 ms since the epoch named `n`",
        ),
        (set("k", "v"), set("l", "v"), "recorded set-state `k`, got set-state `l`"),
        (set("k", "v"), set("k", "w"), "recorded set-state `k`, got it with another value"),
        (effect("charge", "1"), effect("charge", "2"), "recorded effect `charge`, got it with another input"),
        (effect("charge", "1"), effect("refund", "1"), "recorded effect `charge`, got effect `refund`"),
        (
            base(),
            with(|call| call.target.key = Some("8".into())),
            "recorded call `Ticket/7/reserve`, got call `Ticket/8/reserve`",
        ),
        (
            base(),
            with(|call| call.name = Some("n".into())),
            "recorded call `Ticket/7/reserve`, got call `Ticket/7/reserve` named `n`",
        ),
        (
            base(),
            with(|call| call.idempotency_key = Some("k".into())),
            "recorded call `Ticket/7/reserve`, got it with another idempotency key",
        ),
        (
            base(),
            with(|call| call.input = Bytes::new()),
            "recorded call `Ticket/7/reserve`, got it with another input",
        ),
        (
            base(),
            with(|call| call.headers.push(("a".into(), "b".into()))),
            "recorded call `Ticket/7/reserve`, got it with another list of headers",
        ),
        (
            Operation::Send { call: call("7"), due: Due::Now },
            Operation::Send { call: call("7"), due: Due::After(DurationMs(3)) },
            "recorded send `Ticket/7/reserve`, got send `Ticket/7/reserve` after 3 ms",
        ),
        (Operation::ClearAllState, Operation::Awakeable, "recorded clear-all-state, got awakeable"),
        (
            Operation::ClearState { key: "k".repeat(200) },
            Operation::Awakeable,
            &format!("recorded clear-state `{}…`, got awakeable", "k".repeat(100)),
        ),
        (
            awakeable(Ok(Bytes::new())),
            awakeable(Err(Failure::cancelled())),
            "recorded resolve-awakeable \
             `sign_1AAAAAAAAAAcAAAAAAAAAAAAAAAAAAAAHAAAAAAAAAAEAAAAB`, got it with another value",
        ),
    ] {
        let mut replay = replay([op(recorded)]);
        check_mismatch(replay.make(START, got), &format!("journal mismatch at index 1: {expected}"));
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
    check_mismatch(read, "journal mismatch at index 1: recorded timer after 1 ms, got get-state `cart`");
    let read = replay.state_keys(START, || Ok::<_, Infallible>(Vec::new()));
    check_mismatch(read, "journal mismatch at index 1: recorded timer after 1 ms, got state-keys");
}

#[test]
fn returning_while_operations_remain_is_a_mismatch() {
    let journal = || [op(Operation::Call(call("7")))];
    check_mismatch(
        replay(journal()).finish(START, Ok(Bytes::new())),
        "journal mismatch at index 1: the handler returned a result, but the journal goes on with call \
         `Ticket/7/reserve`",
    );
    check_mismatch(
        replay(journal()).finish(START, Err(Failure::new(404, "no such ticket"))),
        "journal mismatch at index 1: the handler returned the failure `[404] no such ticket`, but the journal goes \
         on with call `Ticket/7/reserve`",
    );
}

#[test]
fn another_result_is_a_mismatch() {
    let journal = || [op(Operation::Output { outcome: Ok(Bytes::from_static(b"1")) })];
    assert_eq!(replay(journal()).finish(START, Ok(Bytes::from_static(b"1"))), Ok(()));
    check_mismatch(
        replay(journal()).finish(START, Ok(Bytes::from_static(b"2"))),
        "journal mismatch at index 1: recorded the result of the handler, got it with another value",
    );
    check_mismatch(
        replay(journal()).make(START, timer(1)),
        "journal mismatch at index 1: recorded the result of the handler, got timer after 1 ms",
    );
}

#[test]
fn a_wait_that_the_record_does_not_answer_is_a_mismatch() {
    let mut replay = replay([op(timer(1)), op(timer(2)), note(completed(1, 5)), op(set("k", "v"))]);
    make(&mut replay, timer(1));
    // The completion stands behind the timer that comes next.
    check_mismatch(
        wait_any(&mut replay, &[1]),
        "journal mismatch at index 2: the handler waits for handle 1, which nothing answers, but the journal goes on \
         with timer after 2 ms",
    );
    make(&mut replay, timer(2));
    assert_eq!(wait_any(&mut replay, &[1, 2]), Ok(ready(1)));
    check_mismatch(
        wait_all(&mut replay, &[1, 2]),
        "journal mismatch at index 3: the handler waits for all of the handles 1, 2, which nothing answers, but the \
         journal goes on with set-state `k`",
    );
    check_mismatch(
        wait_any(&mut replay, &[2; 9]),
        "journal mismatch at index 3: the handler waits for any of the handles 2, 2, 2, 2, 2, 2, 2, 2, …, which \
         nothing answers, but the journal goes on with set-state `k`",
    );
}
