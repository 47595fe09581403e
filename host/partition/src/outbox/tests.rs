//! The outbox against a scripted transport: windows, gaps, resends, truncation.

use std::sync::Mutex;

use relight_core::command::Caller;
use relight_core::ids::{EntryIndex, InvocationId, Lsn, PartitionKey};
use relight_core::tables::Tables as _;
use relight_core::tables::memory::MemoryTables;
use relight_core::value::Value;

use super::*;

const SOURCE: PartitionId = PartitionId(0);
const DESTINATION: PartitionId = PartitionId(1);

/// Notes what is sent: the sequence numbers of each delivery.
#[derive(Default)]
struct Sent(Mutex<Vec<(u64, u64)>>);

impl Transport for Sent {
    fn send(&self, destination: PartitionId, delivery: Delivery) {
        assert_eq!(destination, DESTINATION);
        let Delivery::Messages { source, first, messages } = delivery else {
            panic!("an outbox sends messages only");
        };
        assert_eq!(source, SOURCE);
        self.0.lock().unwrap().push((first, first + messages.len() as u64 - 1));
    }
}

struct Fixture {
    tables: MemoryTables,
    outbox: Outbox,
    sent: Sent,
    now: Instant,
}

impl Fixture {
    /// With rows `1..=rows` that wait when the leader begins.
    fn new(rows: u64) -> Self {
        let mut tables = MemoryTables::default();
        for sequence in 1..=rows {
            tables.put(Key::Outbox(DESTINATION, sequence), Row::Outbox(message(0)));
        }
        let range = OutboxRange { first: 1, next: rows + 1 };
        tables.put(Key::OutboxRange(DESTINATION), Row::OutboxRange(range));
        let outbox = Outbox::load(SOURCE, Partitioning::new(2), &tables).unwrap();
        Self { tables, outbox, sent: Sent::default(), now: Instant::now() }
    }

    fn ship(&mut self, sequence: u64, bytes: usize) {
        self.tables.put(Key::Outbox(DESTINATION, sequence), Row::Outbox(message(bytes)));
        self.outbox.ship(DESTINATION, sequence);
    }

    fn pump(&mut self) -> Vec<(u64, u64)> {
        self.outbox.pump(&self.tables, &self.sent, self.now).unwrap();
        std::mem::take(&mut self.sent.0.lock().unwrap())
    }

    fn truncations(&mut self) -> Vec<u64> {
        let commands = self.outbox.truncations(self.now);
        commands
            .map(|command| match command {
                Command::TruncateOutbox { destination: DESTINATION, upto } => upto,
                other => panic!("not a truncation: {other:?}"),
            })
            .collect()
    }
}

fn message(bytes: usize) -> Message {
    let id = InvocationId { key: PartitionKey(u64::MAX), unique: 1 };
    let caller = Caller { id, incarnation: Lsn(1), index: EntryIndex(1) };
    Message::Complete { caller, value: Value::Success(vec![0; bytes].into()) }
}

#[test]
fn rows_that_are_not_durable_are_not_sent_along() {
    let mut fixture = Fixture::new(0);
    for sequence in 2..=3 {
        fixture.tables.put(Key::Outbox(DESTINATION, sequence), Row::Outbox(message(0)));
    }
    fixture.ship(1, 0);
    assert_eq!(fixture.pump(), [(1, 1)]);
    fixture.ship(3, 0);
    assert_eq!(fixture.pump(), [(2, 3)]);
}

#[test]
fn rows_that_wait_are_sent_when_the_leader_begins() {
    let mut fixture = Fixture::new(3);
    assert_eq!(fixture.pump(), [(1, 3)]);
    assert_eq!(fixture.pump(), []);
    assert_eq!(fixture.outbox.lag(), 3);
}

#[test]
fn rows_are_sent_as_they_come_without_waiting_for_an_answer() {
    let mut fixture = Fixture::new(0);
    assert_eq!(fixture.outbox.next_deadline(), None);
    fixture.ship(1, 0);
    assert_eq!(fixture.pump(), [(1, 1)]);
    fixture.ship(2, 0);
    fixture.ship(3, 0);
    assert_eq!(fixture.pump(), [(2, 3)]);
}

#[test]
fn deliveries_in_flight_are_bounded_in_number_and_bytes() {
    let mut fixture = Fixture::new(0);
    for sequence in 1..=6 {
        fixture.ship(sequence, DELIVERY_BYTES_MAX);
    }
    assert_eq!(fixture.pump(), [(1, 1), (2, 2), (3, 3), (4, 4)]);
    fixture.outbox.delivered(DESTINATION, 2, fixture.now);
    assert_eq!(fixture.pump(), [(5, 5), (6, 6)]);

    let mut many = Fixture::new(3 * DELIVERY_MESSAGES_MAX as u64 + 1);
    assert_eq!(many.pump(), [(1, 256), (257, 512), (513, 768), (769, 769)]);
}

#[test]
fn a_lost_delivery_is_sent_again_later_and_later() {
    let mut fixture = Fixture::new(2);
    fixture.pump();
    fixture.now += RESEND_AFTER - Duration::from_millis(1);
    assert_eq!(fixture.pump(), []);
    fixture.now += Duration::from_millis(1);
    assert_eq!(fixture.pump(), [(1, 2)]);
    fixture.now += RESEND_AFTER;
    assert_eq!(fixture.pump(), []);
    fixture.now += RESEND_AFTER;
    assert_eq!(fixture.pump(), [(1, 2)]);
    fixture.outbox.delivered(DESTINATION, 2, fixture.now);
    fixture.now += RESEND_AFTER_MAX;
    assert_eq!(fixture.pump(), []);
}

#[test]
fn a_gap_goes_back_once() {
    let mut fixture = Fixture::new(1);
    fixture.pump();
    fixture.ship(2, 0);
    fixture.pump();
    fixture.ship(3, 0);
    fixture.pump();
    // The first delivery was lost: the two behind it report the gap.
    fixture.outbox.gap(DESTINATION, 1, fixture.now);
    assert_eq!(fixture.pump(), [(1, 3)]);
    fixture.outbox.gap(DESTINATION, 1, fixture.now);
    assert_eq!(fixture.pump(), []);
    fixture.outbox.delivered(DESTINATION, 1, fixture.now);
    fixture.outbox.gap(DESTINATION, 2, fixture.now);
    assert_eq!(fixture.pump(), [(2, 3)]);
}

#[test]
fn truncation_waits_for_many_or_for_a_while_and_never_piles_up() {
    let mut fixture = Fixture::new(TRUNCATE_MESSAGES + 10);
    fixture.pump();
    fixture.outbox.delivered(DESTINATION, 1, fixture.now);
    assert_eq!(fixture.truncations(), []);
    fixture.now += TRUNCATE_AFTER;
    assert_eq!(fixture.truncations(), [1]);
    fixture.outbox.delivered(DESTINATION, TRUNCATE_MESSAGES + 5, fixture.now);
    assert_eq!(fixture.truncations(), []);
    fixture.outbox.truncated(DESTINATION, 1, fixture.now);
    assert_eq!(fixture.truncations(), [TRUNCATE_MESSAGES + 5]);
    fixture.outbox.truncated(DESTINATION, TRUNCATE_MESSAGES + 5, fixture.now);
    fixture.now += TRUNCATE_AFTER;
    assert_eq!(fixture.truncations(), []);
}

#[test]
fn a_missing_row_is_damage() {
    let mut fixture = Fixture::new(2);
    fixture.tables.delete(Key::Outbox(DESTINATION, 1));
    let error = fixture.outbox.pump(&fixture.tables, &fixture.sent, fixture.now).unwrap_err();
    assert!(matches!(error, TablesError::Damaged { .. }), "{error}");
}
