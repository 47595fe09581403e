//! The journal of one invocation as JSON, page by page.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use relight_core::{
    AwakeableId, Due, EntryIndex, Failure, InvocationId, JournalItem, Operation, Outcome, Position, Value,
    journal::{Call, Notification, NotificationKind},
    tables::{Invocation, Key, OpenKind, Prefix, ReadTables, ReadTablesExt as _, Row, Status, TablesError},
};
use relight_http::{
    path::parameters,
    time::{format_duration, format_instant},
};
use serde_json::{Value as Json, json};

use crate::{
    Admin,
    codes::Code,
    detail::unknown,
    error::{Error, Result},
    types::{Journal, JournalEntry},
};

/// Which items of a journal a page shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Page {
    from: Position,
    limit: usize,
}

const LIMIT_DEFAULT: usize = 1000;
const LIMIT_MAX: usize = 10_000;
/// Items that one read takes from a processor.
pub(crate) const READ_ITEMS_MAX: usize = 100;
/// Bytes of items after which a page ends early.
const PAGE_BYTES_MAX: usize = 8 << 20;

impl Page {
    pub(crate) fn parse(query: Option<&str>) -> Result<Self> {
        let mut page = Self { from: Position(0), limit: LIMIT_DEFAULT };
        for parameter in parameters(query) {
            let (name, value) =
                parameter.ok_or_else(|| Error::bad(Code::BadRequest, "the query is not well encoded"))?;
            let number = value.parse::<u32>().ok();
            let fits = match (name.as_str(), number) {
                ("from", Some(from)) => {
                    page.from = Position(from);
                    true
                }
                ("limit", Some(limit)) => {
                    page.limit = limit as usize;
                    (1..=LIMIT_MAX).contains(&page.limit)
                }
                _ => false,
            };
            if !fits {
                return Err(Error::bad(Code::BadFilter, format!("bad parameter `{name}={value}`"))
                    .hint(format!("known are `from`, a position, and `limit`, 1 to {LIMIT_MAX}")));
            }
        }
        Ok(page)
    }
}

/// An invocation with what its journal does not say.
struct Context {
    invocation: Box<Invocation>,
    /// Operations without a result, with the instant of those that are timers.
    open: BTreeMap<EntryIndex, Option<String>>,
}

/// An item with its place; of an operation with its index.
struct Item {
    position: Position,
    index: Option<EntryIndex>,
    item: JournalItem,
}

impl Admin {
    pub(crate) async fn journal(&self, id: InvocationId, page: Page) -> Result<Journal> {
        let partition = self.partition_of(id);
        let context = partition.read(move |tables| context(tables, id)).await??.ok_or_else(|| unknown(id))?;
        let mut items: Vec<Item> = Vec::new();
        let mut completed = BTreeSet::new();
        let mut bytes = 0;
        let mut after = None;
        let mut index = EntryIndex(0);
        // From the start, whatever the page: the index of an operation is the number of those before it.
        'page: loop {
            let read = partition.read(move |tables| read_items(tables, id, after)).await??;
            let more = read.len() == READ_ITEMS_MAX;
            for (position, item) in read {
                if items.len() == page.limit || bytes >= PAGE_BYTES_MAX {
                    break 'page;
                }
                after = Some(position);
                completed.extend(completes(&item));
                let this = matches!(item, JournalItem::Operation(_)).then_some(index);
                index = if this.is_some() { index.next() } else { index };
                if page.from <= position {
                    bytes += item.size_bytes();
                    items.push(Item { position, index: this, item });
                }
            }
            if !more {
                break;
            }
        }
        let next = after.map_or(0, |Position(last)| last + 1);
        Ok(Journal {
            id: id.to_string(),
            entries: items.iter().map(|item| entry(&context, &completed, item)).collect(),
            next: (next < context.invocation.journal.items && !items.is_empty()).then_some(next),
        })
    }
}

fn context(tables: &dyn ReadTables, id: InvocationId) -> std::result::Result<Option<Context>, TablesError> {
    let Some(invocation) = tables.invocation(id)? else { return Ok(None) };
    let open = tables.scan(&Prefix::Open(id), None, usize::MAX)?.into_iter().filter_map(|(key, row)| {
        let (Key::Open(_, index), Row::Open(open)) = (key, row) else { return None };
        let due = match open.kind {
            OpenKind::Timer { timer } => Some(format_instant(timer.due.0)),
            _ => None,
        };
        Some((index, due))
    });
    let open = open.collect();
    Ok(Some(Context { invocation, open }))
}

pub(crate) fn read_items(
    tables: &dyn ReadTables,
    id: InvocationId,
    after: Option<Position>,
) -> std::result::Result<Vec<(Position, JournalItem)>, TablesError> {
    let after = after.map(|position| Key::Journal(id, position));
    let rows = tables.scan(&Prefix::Journal(id), after.as_ref(), READ_ITEMS_MAX)?;
    rows.into_iter()
        .map(|row| match row {
            (Key::Journal(_, position), Row::Journal(item)) => Ok((position, item)),
            (key, _) => Err(TablesError::Damaged {
                key: Box::new(key),
                reason: "is not an item of a journal".to_owned(),
            }),
        })
        .collect()
}

fn completes(item: &JournalItem) -> Option<EntryIndex> {
    match item {
        JournalItem::Notification(Notification {
            kind: NotificationKind::Completed { index, .. }, ..
        }) => Some(*index),
        JournalItem::Notification(_) | JournalItem::Operation(_) => None,
    }
}

fn entry(context: &Context, completed: &BTreeSet<EntryIndex>, item: &Item) -> JournalEntry {
    let mut shown = JournalEntry {
        position: item.position.0,
        index: item.index.map(|index| index.0),
        entry_type: String::new(),
        name: None,
        completed: true,
        invoked_id: None,
        invoked_target: None,
        sleep_wakeup_at: None,
        raw_length: item.item.size_bytes() as u64,
        appended_at: String::new(),
        entry_json: Json::Null,
    };
    match &item.item {
        JournalItem::Operation(entry) => {
            let index = item.index.expect("operations have an index");
            // What is open has no result. Of a completed invocation nothing is open any more.
            let finished = matches!(context.invocation.status, Status::Completed { .. });
            shown.completed = !entry.operation.is_awaited()
                || completed.contains(&index)
                || (!finished && !context.open.contains_key(&index));
            shown.appended_at = format_instant(entry.made_at.0);
            entry.operation.kind().clone_into(&mut shown.entry_type);
            operation(context, index, &entry.operation, &mut shown);
        }
        JournalItem::Notification(notification) => {
            shown.appended_at = format_instant(notification.at.0);
            self::notification(&notification.kind, &mut shown);
        }
    }
    shown
}

fn operation(context: &Context, index: EntryIndex, operation: &Operation, shown: &mut JournalEntry) {
    shown.entry_json = match operation {
        Operation::Input { headers, body } => json!({"headers": headers, "body": payload(body)}),
        Operation::GetState { key, value } => {
            shown.name = Some(key.clone());
            json!({"key": key, "value": value.as_ref().map(payload)})
        }
        Operation::StateKeys { keys } => json!({"keys": keys}),
        Operation::SetState { key, value } => {
            shown.name = Some(key.clone());
            json!({"key": key, "value": payload(value)})
        }
        Operation::ClearState { key } => {
            shown.name = Some(key.clone());
            json!({"key": key})
        }
        Operation::ClearAllState | Operation::CancelDelivered => json!({}),
        Operation::Call(inner) => call(inner, shown),
        Operation::Send { call: inner, due } => {
            let mut json = call(inner, shown);
            json["due"] = self::due(*due);
            json
        }
        Operation::Timer { due, name } => {
            shown.name.clone_from(name);
            shown.sleep_wakeup_at = match (context.open.get(&index), due) {
                (Some(Some(instant)), _) => Some(instant.clone()),
                (_, Due::At(instant)) => Some(format_instant(instant.0)),
                (_, Due::Now | Due::After(_)) => None,
            };
            json!({"due": self::due(*due), "name": name})
        }
        Operation::Awakeable => {
            let Invocation { id, incarnation, restarted, .. } = &*context.invocation;
            let life = restarted.as_ref().and_then(|restarted| restarted.life_at(index));
            let (invocation, incarnation) =
                life.map_or((*id, *incarnation), |life| (life.id, life.incarnation));
            json!({"id": AwakeableId { invocation, incarnation, index }.to_string()})
        }
        Operation::Effect { name, input, timeout, .. } => {
            shown.name = Some(name.clone());
            json!({"name": name, "input": payload(input), "timeout": format_duration(timeout.0)})
        }
        Operation::ResolveAwakeable { id, outcome } => {
            shown.invoked_id = Some(id.invocation.to_string());
            json!({"id": id.to_string(), "result": self::outcome(outcome)})
        }
        Operation::Signal { name } | Operation::Promise { name } | Operation::PromisePeek { name } => {
            shown.name = Some(name.clone());
            json!({"name": name})
        }
        Operation::SendSignal { to, name, outcome } => {
            shown.name = Some(name.clone());
            shown.invoked_id = Some(to.to_string());
            json!({"to": to.to_string(), "name": name, "result": self::outcome(outcome)})
        }
        Operation::PromiseComplete { name, outcome } | Operation::Run { name, outcome } => {
            shown.name = Some(name.clone());
            json!({"name": name, "result": self::outcome(outcome)})
        }
        Operation::Attach { id } | Operation::PeekOutput { id } | Operation::CancelInvocation { id } => {
            shown.invoked_id = Some(id.to_string());
            json!({"id": id.to_string()})
        }
        Operation::Output { outcome } => json!({"result": self::outcome(outcome)}),
    };
}

fn call(call: &Call, shown: &mut JournalEntry) -> Json {
    shown.name.clone_from(&call.name);
    shown.invoked_id = Some(call.callee.to_string());
    shown.invoked_target = Some(call.target.to_string());
    json!({
        "target": call.target.to_string(),
        "callee": call.callee.to_string(),
        "headers": call.headers,
        "input": payload(&call.input),
        "idempotency_key": call.idempotency_key,
    })
}

fn notification(kind: &NotificationKind, shown: &mut JournalEntry) {
    match kind {
        NotificationKind::Completed { index, value } => {
            "completion".clone_into(&mut shown.entry_type);
            shown.index = Some(index.0);
            shown.entry_json = match value {
                Value::Void => json!({"result": {"void": true}}),
                Value::Success(bytes) => json!({"result": {"success": payload(bytes)}}),
                Value::Failure(failure) => json!({"result": {"failure": self::failure(failure)}}),
            };
        }
        NotificationKind::Cancelled => {
            "cancel".clone_into(&mut shown.entry_type);
            shown.entry_json = json!({});
        }
    }
}

fn due(due: Due) -> Json {
    match due {
        Due::Now => json!("now"),
        Due::At(instant) => json!({"at": format_instant(instant.0)}),
        Due::After(duration) => json!({"after": format_duration(duration.0)}),
    }
}

fn outcome(outcome: &Outcome) -> Json {
    match outcome {
        Ok(bytes) => json!({"success": payload(bytes)}),
        Err(failure) => json!({"failure": self::failure(failure)}),
    }
}

fn failure(failure: &Failure) -> Json {
    let metadata: BTreeMap<_, _> = failure.metadata.iter().map(|(name, value)| (name, value)).collect();
    json!({"code": failure.code, "message": failure.message, "metadata": metadata})
}

/// Text where it is text, so that people can read it.
fn payload(bytes: &Bytes) -> Json {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!({"utf8": text}),
        Err(_) => json!({"base64": STANDARD.encode(bytes)}),
    }
}

#[cfg(test)]
mod tests {
    use relight_core::{DurationMs, Lsn, Timestamp, command::WaitMode, journal::Entry};

    use super::*;
    use crate::samples;

    fn made(operation: Operation) -> JournalItem {
        JournalItem::Operation(Entry { made_at: Timestamp(0), operation })
    }

    fn show(context: &Context, completed: &[u32], index: u32, operation: Operation) -> JournalEntry {
        let completed = completed.iter().copied().map(EntryIndex).collect();
        let item = Item { position: Position(index), index: Some(EntryIndex(index)), item: made(operation) };
        entry(context, &completed, &item)
    }

    fn suspended(open: &[(u32, Option<&str>)]) -> Context {
        let status = Status::Suspended { mode: WaitMode::Any, suspended: Lsn(1), remaining: 1 };
        let open = open.iter().map(|(index, due)| (EntryIndex(*index), due.map(str::to_owned))).collect();
        Context { invocation: Box::new(samples::invocation(status)), open }
    }

    #[test]
    fn pages_are_read_from_the_query() {
        assert_eq!(Page::parse(None), Ok(Page { from: Position(0), limit: LIMIT_DEFAULT }));
        assert_eq!(Page::parse(Some("from=7&limit=2")), Ok(Page { from: Position(7), limit: 2 }));
        for query in ["from=-1", "limit=0", "limit=10001", "x=1"] {
            assert_eq!(Page::parse(Some(query)).expect_err(query).code, "RL0304");
        }
    }

    #[test]
    fn payloads_are_text_where_they_can_be() {
        assert_eq!(payload(&Bytes::from_static(b"{\"a\":1}")), json!({"utf8": "{\"a\":1}"}));
        assert_eq!(payload(&Bytes::from_static(&[0xff, 0])), json!({"base64": "/wA="}));
    }

    #[test]
    fn a_timer_shows_its_instant_while_it_is_open() {
        let context = suspended(&[(2, Some("then"))]);
        let timer = |due| Operation::Timer { due, name: Some("nap".to_owned()) };
        let open = show(&context, &[], 2, timer(Due::After(DurationMs(1000))));
        assert_eq!((open.completed, open.sleep_wakeup_at.as_deref()), (false, Some("then")));
        assert_eq!(open.entry_json, json!({"due": {"after": "1s"}, "name": "nap"}));
        let fired = show(&context, &[3], 3, timer(Due::At(Timestamp(0))));
        assert_eq!((fired.completed, fired.name.as_deref()), (true, Some("nap")));
        assert_eq!(fired.sleep_wakeup_at.as_deref(), Some("1970-01-01T00:00:00.000Z"));
    }

    #[test]
    fn of_a_completed_invocation_only_what_came_back_is_complete() {
        let outcome = Ok(Bytes::new());
        let status = Status::Completed { outcome, at: Timestamp(1), expires_at: Timestamp(2) };
        let context =
            Context { invocation: Box::new(samples::invocation(status)), open: BTreeMap::default() };
        assert!(show(&context, &[1], 1, Operation::Awakeable).completed);
        assert!(!show(&context, &[1], 2, Operation::Awakeable).completed);
        assert!(show(&context, &[], 3, Operation::ClearAllState).completed);
    }

    #[test]
    fn a_call_names_its_target_and_callee() {
        let call = Call {
            target: samples::target(),
            callee: samples::ID,
            input: Bytes::from_static(b"1"),
            headers: Vec::new(),
            idempotency_key: None,
            name: None,
        };
        let shown = show(&suspended(&[(1, None)]), &[], 1, Operation::Call(call));
        assert_eq!((shown.entry_type.as_str(), shown.completed), ("call", false));
        assert_eq!(shown.invoked_target.as_deref(), Some("Cart/mary/add"));
        assert_eq!(shown.entry_json["input"], json!({"utf8": "1"}));
    }

    #[test]
    fn names_results_and_other_invocations_are_shown() {
        let (name, result) = (|| "go".to_owned(), Ok(Bytes::from_static(b"1")));
        let outcome = json!({"success": {"utf8": "1"}});
        let id = samples::ID.to_string();
        for (operation, kind, named, invoked, json) in [
            (Operation::Signal { name: name() }, "signal", true, false, json!({"name": "go"})),
            (Operation::Promise { name: name() }, "promise", true, false, json!({"name": "go"})),
            (Operation::PromisePeek { name: name() }, "promise-peek", true, false, json!({"name": "go"})),
            (
                Operation::PromiseComplete { name: name(), outcome: result.clone() },
                "promise-complete",
                true,
                false,
                json!({"name": "go", "result": outcome}),
            ),
            (
                Operation::Run { name: name(), outcome: result.clone() },
                "run",
                true,
                false,
                json!({"name": "go", "result": outcome}),
            ),
            (
                Operation::SendSignal { to: samples::ID, name: name(), outcome: result.clone() },
                "send-signal",
                true,
                true,
                json!({"to": id, "name": "go", "result": outcome}),
            ),
            (Operation::Attach { id: samples::ID }, "attach", false, true, json!({"id": id})),
            (Operation::PeekOutput { id: samples::ID }, "output-of", false, true, json!({"id": id})),
            (
                Operation::CancelInvocation { id: samples::ID },
                "cancel-invocation",
                false,
                true,
                json!({"id": id}),
            ),
        ] {
            let awaited = operation.is_awaited();
            let shown = show(&suspended(&[(1, None)]), &[], 1, operation);
            assert_eq!((shown.entry_type.as_str(), shown.completed), (kind, !awaited));
            assert_eq!(shown.name.as_deref(), named.then_some("go"), "{kind}");
            assert_eq!(shown.invoked_id.as_ref(), invoked.then_some(&id), "{kind}");
            assert_eq!(shown.entry_json, json, "{kind}");
        }
    }

    #[test]
    fn a_failure_that_came_back_is_shown_with_the_index_it_completes() {
        let value = Value::Failure(Failure::new(409, "killed"));
        let kind = NotificationKind::Completed { index: EntryIndex(4), value };
        let item = JournalItem::Notification(Notification { at: Timestamp(0), kind });
        assert_eq!(completes(&item), Some(EntryIndex(4)));
        let shown =
            entry(&suspended(&[]), &BTreeSet::new(), &Item { position: Position(9), index: None, item });
        assert_eq!((shown.entry_type.as_str(), shown.index, shown.position), ("completion", Some(4), 9));
        assert_eq!(shown.entry_json["result"]["failure"]["code"], 409);
    }
}
