//! The tables of one partition: derived from its log, written by `apply` alone.
//!
//! Here are the kinds of rows and the trait over them. `memory.rs` keeps them in a map (tests, simulation);
//! `relight-storage` keeps them in RocksDB and knows their bytes. Both order rows as [`Key`] does.

pub mod memory;
mod rows;

use std::sync::Arc;

pub use memory::MemoryTables;
pub use rows::*;

use crate::{
    ids::{DeploymentId, EntryIndex, InvocationId, PartitionId, Position, RequestId, Revision},
    value::{ObjectKey, Timestamp},
};

/// Where a row is. The order of variants is the order of kinds in a scan and of tags on disk.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Key {
    Meta,
    Invocation(InvocationId),
    Journal(InvocationId, Position),
    Open(InvocationId, EntryIndex),
    Effect(InvocationId, EntryIndex),
    Running(InvocationId),
    Timer(TimerKey),
    State(ObjectKey, Arc<str>),
    Lock(ObjectKey),
    Inbox(ObjectKey, u64),
    OutboxRange(PartitionId),
    Outbox(PartitionId, u64),
    Dedup(PartitionId),
    Request(RequestId),
    Service(Arc<str>),
    Deployment(DeploymentId),
    /// Signals of one name of one invocation.
    Signals(InvocationId, Arc<str>),
    Promise(ObjectKey, Arc<str>),
    /// By the id of the key's run.
    Workflow(InvocationId),
    /// In partition 0 only.
    Revision(Arc<str>, Revision),
    Registry,
    Removal(DeploymentId),
    /// How many invocations of this partition are pinned to a deployment and not completed; none: no row.
    Pins(DeploymentId),
}

/// What a row holds; one variant for each kind of key that has a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Row {
    Meta(Meta),
    Invocation(Box<Invocation>),
    Journal(crate::journal::JournalItem),
    Open(Open),
    Effect(Effect),
    /// The key says it all: `Running` and `Timer`.
    Present,
    State(bytes::Bytes),
    Lock(Lock),
    Inbox(InvocationId),
    OutboxRange(OutboxRange),
    /// Sequence number of the last message accepted from a source.
    Dedup(u64),
    Outbox(crate::command::Message),
    Request(crate::action::Answer),
    Service(Arc<crate::schema::Service>),
    Deployment(Arc<crate::schema::Deployment>),
    Signals(Signals),
    Promise(Promise),
    Workflow(Workflow),
    /// `None`: its deployment was removed. Kept as long as it is the highest, so that no number comes twice.
    Revision(Option<Arc<crate::schema::Service>>),
    Registry(crate::schema::Registry),
    Removal(crate::schema::Removal),
    Pins(u64),
}

/// A set of rows that a scan yields, in the order of keys.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Prefix {
    /// Items of one journal by position.
    Journal(InvocationId),
    Open(InvocationId),
    /// Effects that have no result yet, of one invocation or of all.
    Effect(Option<InvocationId>),
    Running,
    /// By due time.
    Timer,
    State(ObjectKey),
    Inbox(ObjectKey),
    /// Rows for one destination by sequence number.
    Outbox(PartitionId),
    /// By the time of minting.
    Request,
    Invocation,
    Service,
    Deployment,
    Signals(InvocationId),
    Promise(ObjectKey),
    /// Of one service, oldest first.
    Revision(Arc<str>),
    Removal,
}

impl Prefix {
    pub fn contains(&self, key: &Key) -> bool {
        match (self, key) {
            (Self::Journal(id), Key::Journal(other, _))
            | (Self::Open(id), Key::Open(other, _))
            | (Self::Effect(Some(id)), Key::Effect(other, _))
            | (Self::Signals(id), Key::Signals(other, _)) => id == other,
            (Self::State(object), Key::State(other, _))
            | (Self::Inbox(object), Key::Inbox(other, _))
            | (Self::Promise(object), Key::Promise(other, _)) => object == other,
            (Self::Outbox(destination), Key::Outbox(other, _)) => destination == other,
            (Self::Revision(service), Key::Revision(other, _)) => service == other,
            (Self::Effect(None), Key::Effect(..))
            | (Self::Running, Key::Running(_))
            | (Self::Timer, Key::Timer(_))
            | (Self::Request, Key::Request(_))
            | (Self::Invocation, Key::Invocation(_))
            | (Self::Service, Key::Service(_))
            | (Self::Deployment, Key::Deployment(_))
            | (Self::Removal, Key::Removal(_)) => true,
            _ => false,
        }
    }
}

/// The store failed or holds something that it cannot hold. The partition stops; nothing of the batch is kept.
#[derive(Debug, thiserror::Error)]
pub enum TablesError {
    #[error("failed to read `{key:?}`")]
    Read {
        key: Box<Key>,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("row `{key:?}` is damaged: {reason}")]
    Damaged { key: Box<Key>, reason: String },
}

/// Reading rows. A row that was written is seen by the next read, whether committed or not.
pub trait ReadTables {
    fn get(&self, key: &Key) -> Result<Option<Row>, TablesError>;

    /// At most `limit` rows of `prefix` in the order of keys, from the first after `after`.
    fn scan(
        &self,
        prefix: &Prefix,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Row)>, TablesError>;
}

/// Writing rows; kept in memory until the batch is committed.
pub trait Tables: ReadTables {
    fn put(&mut self, key: Key, row: Row);

    /// Deleting what does not exist is allowed.
    fn delete(&mut self, key: Key);

    /// Deletes all rows of `prefix`.
    fn delete_all(&mut self, prefix: &Prefix) -> Result<(), TablesError> {
        loop {
            let rows = self.scan(prefix, None, DELETE_BATCH)?;
            let last = rows.len() < DELETE_BATCH;
            for (key, _) in rows {
                self.delete(key);
            }
            if last {
                return Ok(());
            }
        }
    }
}

/// Rows that `delete_all` holds in memory at once.
const DELETE_BATCH: usize = 1000;

macro_rules! typed {
    ($($name:ident($($arg:ident: $type:ty),*) -> $key:expr => $variant:ident($value:ty);)*) => {
        /// Typed access to single rows.
        pub trait ReadTablesExt: ReadTables {
            $(fn $name(&self $(, $arg: $type)*) -> Result<Option<$value>, TablesError> {
                let key = $key;
                match self.get(&key)? {
                    None => Ok(None),
                    Some(Row::$variant(value)) => Ok(Some(value)),
                    Some(other) => Err(TablesError::Damaged {
                        key: Box::new(key),
                        reason: format!("holds {other:?}"),
                    }),
                }
            })*

            /// The journal of one invocation, whole.
            fn journal(&self, id: InvocationId) -> Result<Vec<crate::journal::JournalItem>, TablesError> {
                self.scan(&Prefix::Journal(id), None, usize::MAX)?
                    .into_iter()
                    .map(|(key, row)| match row {
                        Row::Journal(item) => Ok(item),
                        other => Err(TablesError::Damaged { key: Box::new(key), reason: format!("holds {other:?}") }),
                    })
                    .collect()
            }
        }
    };
}

typed! {
    meta() -> Key::Meta => Meta(Meta);
    invocation(id: InvocationId) -> Key::Invocation(id) => Invocation(Box<Invocation>);
    journal_item(id: InvocationId, position: Position) -> Key::Journal(id, position) => Journal(crate::journal::JournalItem);
    open(id: InvocationId, index: EntryIndex) -> Key::Open(id, index) => Open(Open);
    effect(id: InvocationId, index: EntryIndex) -> Key::Effect(id, index) => Effect(Effect);
    lock(object: &ObjectKey) -> Key::Lock(object.clone()) => Lock(Lock);
    state(object: &ObjectKey, name: Arc<str>) -> Key::State(object.clone(), name) => State(bytes::Bytes);
    outbox_range(destination: PartitionId) -> Key::OutboxRange(destination) => OutboxRange(OutboxRange);
    dedup(source: PartitionId) -> Key::Dedup(source) => Dedup(u64);
    request(id: RequestId) -> Key::Request(id) => Request(crate::action::Answer);
    service(name: &Arc<str>) -> Key::Service(name.clone()) => Service(Arc<crate::schema::Service>);
    signals(id: InvocationId, name: Arc<str>) -> Key::Signals(id, name) => Signals(Signals);
    promise(object: &ObjectKey, name: Arc<str>) -> Key::Promise(object.clone(), name) => Promise(Promise);
    workflow(run: InvocationId) -> Key::Workflow(run) => Workflow(Workflow);
    deployment(id: DeploymentId) -> Key::Deployment(id) => Deployment(Arc<crate::schema::Deployment>);
    registry() -> Key::Registry => Registry(crate::schema::Registry);
    removal(id: DeploymentId) -> Key::Removal(id) => Removal(crate::schema::Removal);
    pins(id: DeploymentId) -> Key::Pins(id) => Pins(u64);
}

impl<T: ReadTables + ?Sized> ReadTablesExt for T {}

/// A timer row: what is to happen at `due`. Its key says it all.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TimerKey {
    pub due: Timestamp,
    pub id: InvocationId,
    pub incarnation: crate::ids::Incarnation,
    pub kind: TimerKind,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum TimerKind {
    /// A handler's timer fires.
    Sleep(EntryIndex),
    /// A scheduled invocation arrives.
    Start,
    /// A backing-off invocation tries again.
    RetryAttempt,
    /// A failed effect tries again.
    RetryEffect(EntryIndex),
    /// The journal of a completed invocation is no longer kept.
    PurgeJournal,
    /// A completed invocation is no longer kept.
    Purge,
    /// Promises of a workflow's key that never ran are no longer kept; `id` is that of the run.
    PurgeWorkflow,
}
