//! What is written can be read again, whole and with a form that stays.

use relight_core::{AwakeableId, journal::Entry};

use super::*;
use crate::{
    bundle::{FORMAT, VERSION},
    samples,
};

/// One of each kind; the `match` in `write_operation` fails to compile when there is a new one.
fn operations() -> Vec<Operation> {
    let name = || "n".to_owned();
    let bytes = || Bytes::from_static(b"{}");
    let binary = || Bytes::from_static(&[0xff, 0]);
    let failure =
        core::Failure { metadata: vec![("a".to_owned(), "b".to_owned())], ..core::Failure::new(404, "no") };
    let call = core::journal::Call {
        target: samples::target(),
        callee: samples::ID,
        input: bytes(),
        headers: vec![("h".to_owned(), "v".to_owned())],
        idempotency_key: Some(name()),
        name: None,
    };
    let awakeable = AwakeableId { invocation: samples::ID, incarnation: Lsn(3), index: EntryIndex(1) };
    vec![
        Operation::Input { headers: vec![("h".to_owned(), "v".to_owned())], body: bytes() },
        Operation::GetState { key: name(), value: None },
        Operation::GetState { key: name(), value: Some(binary()) },
        Operation::StateKeys { keys: vec![name()] },
        Operation::SetState { key: name(), value: binary() },
        Operation::ClearState { key: name() },
        Operation::ClearAllState,
        Operation::Call(call.clone()),
        Operation::Send { call, due: core::Due::Now },
        Operation::Timer { due: core::Due::After(DurationMs(5)), name: Some(name()) },
        Operation::Timer { due: core::Due::At(Timestamp(5)), name: None },
        Operation::Awakeable,
        Operation::Effect {
            name: name(),
            input: bytes(),
            retry: retry::RetryPolicy { max_duration: Some(DurationMs(9)), ..retry::RetryPolicy::HANDLER },
            timeout: DurationMs(7),
        },
        Operation::ResolveAwakeable { id: awakeable, outcome: Ok(bytes()) },
        Operation::Signal { name: name() },
        Operation::SendSignal { to: samples::ID, name: name(), outcome: Err(failure.clone()) },
        Operation::Promise { name: name() },
        Operation::PromisePeek { name: name() },
        Operation::PromiseComplete { name: name(), outcome: Ok(bytes()) },
        Operation::Attach { id: samples::ID },
        Operation::PeekOutput { id: samples::ID },
        Operation::CancelInvocation { id: samples::ID },
        Operation::Run { name: name(), outcome: Err(failure.clone()) },
        Operation::CancelDelivered,
        Operation::Output { outcome: Err(failure) },
    ]
}

fn recorded() -> Recorded {
    let made = |operation| JournalItem::Operation(Entry { made_at: Timestamp(9), operation });
    let mut journal: Vec<JournalItem> = operations().into_iter().map(made).collect();
    let came = |kind| JournalItem::Notification(Notification { at: Timestamp(10), kind });
    let completed = |index, value| came(NotificationKind::Completed { index: EntryIndex(index), value });
    journal.extend([
        completed(9, core::Value::Void),
        completed(11, core::Value::Success(Bytes::from_static(&[0xff]))),
        completed(12, core::Value::Failure(core::Failure::cancelled())),
        came(NotificationKind::Cancelled),
    ]);
    Recorded {
        id: samples::ID,
        incarnation: Lsn(3),
        target: samples::target(),
        kind: ServiceKind::VirtualObject,
        mode: HandlerMode::Exclusive,
        idempotency_key: Some("k".to_owned()),
        invoked_by: Some(samples::ID),
        created_at: Timestamp(7),
        started_at: Timestamp(8),
        abort_timeout: DurationMs(9),
        restarted: Some(Box::new(restart::Restarted {
            from: samples::ID,
            index: EntryIndex(1),
            input_at: Some(Timestamp(6)),
            lives: vec![restart::Life {
                id: samples::ID,
                incarnation: Lsn(2),
                idempotency_key: Some("first".to_owned()),
                invoked_by: Some(samples::ID),
                created_at: Timestamp(5),
                end: EntryIndex(2),
            }],
        })),
        journal,
    }
}

fn bundle() -> Bundle {
    let recorded = recorded();
    Bundle {
        format: FORMAT.to_owned(),
        version: VERSION,
        exported_at: "2026-01-01T00:00:00.000Z".to_owned(),
        relight_version: "0.1.0".to_owned(),
        component: None,
        invocation: Invocation::new(&recorded, "suspended"),
        journal: items(&recorded.journal),
    }
}

#[test]
fn record_is_the_same_after_a_round_trip() {
    let written = serde_json::to_vec(&bundle()).expect("it is JSON");
    let read =
        Bundle::parse(&written).expect("it was written by this version").recorded().expect("it is whole");
    let expected = recorded();
    assert_eq!(read.journal, expected.journal);
    assert_eq!(format!("{read:?}"), format!("{expected:?}"));
}

#[test]
fn form_of_an_item_stays() {
    let shown = |at: usize| serde_json::to_value(&bundle().journal[at]).expect("it is JSON").to_string();
    assert_eq!(
        shown(2),
        r#"{"at_ms":9,"index":2,"key":"n","position":2,"type":"get-state","value":{"base64":"/wA="}}"#
    );
    assert_eq!(
        shown(9),
        r#"{"at_ms":9,"due":{"after_ms":5},"index":9,"name":"n","position":9,"type":"timer"}"#
    );
    assert_eq!(shown(25), r#"{"at_ms":10,"index":9,"position":25,"type":"completion","value":"void"}"#);
    assert_eq!(shown(28), r#"{"at_ms":10,"position":28,"type":"cancel"}"#);
}

#[test]
fn what_is_no_bundle_is_refused_with_its_reason() {
    let parse = |text: &str| Bundle::parse(text.as_bytes()).expect_err(text).to_string();
    assert!(parse("hello").contains("not JSON"));
    assert!(parse("{}").contains("relight-bundle"));
    assert!(parse(r#"{"format":"relight-bundle","version":2}"#).contains("version 2"));
    assert!(parse(r#"{"format":"relight-bundle","version":1}"#).contains("missing field"));

    let mut gap = bundle();
    gap.journal.remove(3);
    assert!(matches!(gap.recorded(), Err(BundleError::Gap(3))));
    let mut wrong_index = bundle();
    wrong_index.journal[3].kind = ItemKind::Awakeable { index: 7 };
    assert!(matches!(wrong_index.recorded(), Err(BundleError::Gap(3))));
    let mut wrong_id = bundle();
    wrong_id.invocation.id = "inv_7".to_owned();
    let error = wrong_id.recorded().expect_err("it is no id");
    assert!(error.to_string().contains("inv_7"), "{error}");
}
