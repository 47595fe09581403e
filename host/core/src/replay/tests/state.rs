//! Facts about reads and writes of state.

use super::*;

#[test]
fn own_writes_are_read_without_an_entry() {
    let mut replay = replay([op(set("a", "1"))]);
    make(&mut replay, set("a", "1"));
    make(&mut replay, Operation::ClearState { key: "b".into() });
    assert_eq!(get(&mut replay, "a", Some("view")), (Some(Bytes::from_static(b"1")), 0));
    assert_eq!(get(&mut replay, "b", Some("view")), (None, 0));
    assert_eq!(replay.operations(), 3);
}

#[test]
fn a_read_is_recorded_once() {
    let mut live = replay([]);
    assert_eq!(get(&mut live, "a", Some("view")), (Some(Bytes::from_static(b"view")), 1));
    assert_eq!(get(&mut live, "a", Some("changed")), (Some(Bytes::from_static(b"view")), 0));
    assert_eq!(get(&mut live, "b", None), (None, 1));
    assert_eq!(get(&mut live, "b", Some("changed")), (None, 0));
    let (_, entries) = live.take_batch().expect("two reads");
    assert_eq!(entries.len(), 2);

    let mut again = replay(entries.into_iter().map(JournalItem::Operation));
    assert_eq!(get(&mut again, "a", Some("changed")), (Some(Bytes::from_static(b"view")), 0));
    assert_eq!(get(&mut again, "a", Some("changed")), (Some(Bytes::from_static(b"view")), 0));
    assert_eq!(get(&mut again, "b", Some("changed")), (None, 0));
}

#[test]
fn after_clear_all_everything_is_known() {
    let mut replay = replay([]);
    make(&mut replay, set("a", "1"));
    make(&mut replay, Operation::ClearAllState);
    make(&mut replay, set("b", "2"));
    assert_eq!(get(&mut replay, "a", Some("view")), (None, 0));
    assert_eq!(get(&mut replay, "c", Some("view")), (None, 0));
    assert_eq!(get(&mut replay, "b", Some("view")), (Some(Bytes::from_static(b"2")), 0));
    assert_eq!(keys(&mut replay, &["view"]), (vec!["b".to_owned()], 0));
    assert_eq!(replay.operations(), 4);
}

#[test]
fn keys_are_those_of_the_view_with_own_writes() {
    let mut live = replay([]);
    make(&mut live, set("b", "1"));
    make(&mut live, Operation::ClearState { key: "c".into() });
    assert_eq!(keys(&mut live, &["a", "c"]), (vec!["a".to_owned(), "b".to_owned()], 1));
    make(&mut live, set("d", "1"));
    make(&mut live, Operation::ClearState { key: "a".into() });
    assert_eq!(keys(&mut live, &["changed"]), (vec!["b".to_owned(), "d".to_owned()], 0));
    assert_eq!(live.operations(), 6);

    let (_, entries) = live.take_batch().expect("five are live");
    let mut again = replay(entries.into_iter().map(JournalItem::Operation));
    make(&mut again, set("b", "1"));
    make(&mut again, Operation::ClearState { key: "c".into() });
    assert_eq!(keys(&mut again, &["changed"]), (vec!["a".to_owned(), "b".to_owned()], 0));
}

#[test]
fn a_failed_read_records_nothing() {
    let mut replay = replay([]);
    let failed = replay.get_state(START, "a", || Err::<Option<Bytes>, _>("disk"));
    assert_eq!(failed, Err(GetError::Read("disk")));
    let failed = replay.state_keys(START, || Err::<Vec<String>, _>("disk"));
    assert_eq!(failed, Err(GetError::Read("disk")));
    assert_eq!(replay.operations(), 1);
    assert_eq!(get(&mut replay, "a", Some("view")).1, 1);
}
