//! [`Node`]: all partitions of a node, started and stopped together, and [`Partitions`], the way to each.

use std::path::PathBuf;
use std::sync::Arc;

use relight_core::ids::{Lsn, PartitionId, PartitionKey};
use relight_core::machine::Partition;
use relight_core::placement::Partitioning;
use relight_core::runner::Runner;
use relight_core::tables::TablesError;
use relight_core::value::Timestamp;
use relight_log::{Log, ReadError, Reader};
use relight_storage::{OpenError, PartitionTables, Store};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::event::{Event, Mailbox};
use crate::fault::{self, FaultHook};
use crate::handle::{DoorError, PartitionHandle};
use crate::processor::{Parts, Processor};
use crate::retention::RetentionPolicy;
use crate::schema::Schema;
use crate::status::{PartitionStatus, Role, Stats};
use crate::transport::{LocalTransport, Transport};

/// Reads the wall clock.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Puts something between the partitions and the transport they would use.
pub type WrapTransport = Box<dyn FnOnce(Arc<dyn Transport>) -> Arc<dyn Transport> + Send>;

pub struct NodeConfig {
    pub partitioning: Partitioning,
    pub retention: RetentionPolicy,
    /// Default: log it and abort the process.
    pub fault: FaultHook,
    /// Default: deliveries go straight to the processors of this node.
    pub wrap_transport: Option<WrapTransport>,
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("there are {found} logs for {expected} partitions")]
    LogCount { expected: u16, found: usize },
    #[error("the log at place {place} is that of partition {group}")]
    LogOrder { place: PartitionId, group: u16 },
    #[error("failed to open the tables of partition {partition}")]
    Open {
        partition: PartitionId,
        #[source]
        source: OpenError,
    },
    /// The tables were lost or replaced, and the records that would rebuild them are trimmed.
    #[error(
        "the tables of partition {partition} in `{}` end at LSN {applied}, but its log begins at LSN {first}\n\
         hint: put the lost tables back, or restore both from a backup",
        tables.display()
    )]
    LogTrimmed { partition: PartitionId, tables: PathBuf, applied: Lsn, first: Lsn },
    /// The log was lost or replaced.
    #[error(
        "the tables of partition {partition} in `{}` hold LSN {applied}, but its log ends at LSN {last}\n\
         hint: put the lost log back, or restore both from a backup",
        tables.display()
    )]
    LogShort { partition: PartitionId, tables: PathBuf, applied: Lsn, last: Lsn },
    #[error("failed to read the log of partition {partition}")]
    Log {
        partition: PartitionId,
        #[source]
        source: ReadError,
    },
    #[error("failed to read the tables of partition {partition}")]
    Tables {
        partition: PartitionId,
        #[source]
        source: TablesError,
    },
}

/// The running partitions of a node. Dropping it without `stop` ends them at their next await point.
#[derive(Debug)]
pub struct Node {
    partitions: Partitions,
    mailboxes: Arc<[Mailbox]>,
    tasks: Vec<JoinHandle<()>>,
}

/// A cheap, cloneable handle of all partitions.
#[derive(Clone, Debug)]
pub struct Partitions {
    partitioning: Partitioning,
    handles: Arc<[PartitionHandle]>,
}

impl NodeConfig {
    pub fn new(partitioning: Partitioning) -> Self {
        Self {
            partitioning,
            retention: RetentionPolicy::default(),
            fault: fault::abort(),
            wrap_transport: None,
        }
    }
}

impl std::fmt::Debug for NodeConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeConfig")
            .field("partitioning", &self.partitioning)
            .field("retention", &self.retention)
            .finish_non_exhaustive()
    }
}

/// What the outside of a processor holds of it, before it runs.
struct Channels {
    events: mpsc::UnboundedReceiver<Event>,
    status: watch::Sender<PartitionStatus>,
    schema: watch::Sender<Arc<Schema>>,
}

impl Node {
    /// Opens the tables of every partition and starts its processor. `logs`: one for each partition, in order.
    ///
    /// Blocks for as long as opening takes. Does not wait until a partition has a leader: see [`Partitions::leading`].
    pub async fn start(
        config: NodeConfig,
        logs: Vec<Arc<dyn Log>>,
        store: Store,
        runner: Arc<dyn Runner>,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let NodeConfig { partitioning, retention, fault, wrap_transport } = config;
        check_logs(partitioning, &logs)?;
        let mut opened = Vec::new();
        for (id, log) in partitioning.partitions().zip(&logs) {
            opened.push(open(&store, id, &**log)?);
        }
        let (mailboxes, handles, channels) = connect(partitioning);
        let local: Arc<dyn Transport> = Arc::new(LocalTransport { mailboxes: Arc::clone(&mailboxes) });
        let transport = wrap_transport.map_or_else(|| Arc::clone(&local), |wrap| wrap(Arc::clone(&local)));
        let mut processors = Vec::new();
        for (((id, log), (tables, reader)), channels) in
            partitioning.partitions().zip(logs).zip(opened).zip(channels)
        {
            let parts = Parts {
                partition: Partition { id, partitioning },
                tables,
                log,
                reader,
                events: channels.events,
                mailbox: mailboxes[usize::from(id.0)].clone(),
                runner: Arc::clone(&runner),
                transport: Arc::clone(&transport),
                clock: Arc::clone(&clock),
                retention,
                status: channels.status,
                schema: channels.schema,
                fault: Arc::clone(&fault),
            };
            let processor = Processor::new(parts);
            processors.push(processor.map_err(|source| StartError::Tables { partition: id, source })?);
        }
        let tasks = processors.into_iter().map(|processor| tokio::spawn(processor.run())).collect();
        Ok(Self { partitions: Partitions { partitioning, handles }, mailboxes, tasks })
    }

    pub fn partitions(&self) -> Partitions {
        self.partitions.clone()
    }

    /// Closes the doors, drops what runs, answers who waits, and returns once the tables are closed. Loses nothing:
    /// what was accepted goes on at the next start.
    pub async fn stop(mut self) {
        for handle in self.partitions.handles.iter() {
            handle.close();
        }
        for mailbox in self.mailboxes.iter() {
            mailbox.send(Event::Stop);
        }
        for task in std::mem::take(&mut self.tasks) {
            // A processor that panicked has told the fault hook.
            let _ = task.await;
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Partitions {
    pub fn partitioning(&self) -> Partitioning {
        self.partitioning
    }

    /// The partition that owns the key.
    pub fn of(&self, key: PartitionKey) -> &PartitionHandle {
        self.get(self.partitioning.partition(key))
    }

    /// # Panics
    /// When there is no such partition.
    pub fn get(&self, id: PartitionId) -> &PartitionHandle {
        &self.handles[usize::from(id.0)]
    }

    pub fn iter(&self) -> impl Iterator<Item = &PartitionHandle> {
        self.handles.iter()
    }

    /// Follows what partition 0 has deployed; the others have it a moment later.
    pub fn schema(&self) -> watch::Receiver<Arc<Schema>> {
        self.get(PartitionId(0)).schema()
    }

    /// Waits until every partition has made the change of what is deployed that has this version.
    pub async fn registered_everywhere(&self, version: Lsn) -> Result<(), DoorError> {
        for handle in self.handles.iter() {
            let registered = handle.schema().wait_for(|schema| version <= schema.version).await.map(drop);
            registered.map_err(|_| DoorError::ShuttingDown)?;
        }
        Ok(())
    }

    /// Waits until this node leads every partition.
    pub async fn leading(&self) -> Result<(), DoorError> {
        for handle in self.handles.iter() {
            handle.leading().await?;
        }
        Ok(())
    }
}

fn check_logs(partitioning: Partitioning, logs: &[Arc<dyn Log>]) -> Result<(), StartError> {
    if logs.len() != usize::from(partitioning.count()) {
        return Err(StartError::LogCount { expected: partitioning.count(), found: logs.len() });
    }
    for (place, log) in partitioning.partitions().zip(logs) {
        if log.group().0 != place.0 {
            return Err(StartError::LogOrder { place, group: log.group().0 });
        }
    }
    Ok(())
}

/// The tables of a partition, and a reader of its log from where they end.
fn open(store: &Store, id: PartitionId, log: &dyn Log) -> Result<(PartitionTables, Reader), StartError> {
    let tables = store.partition(id).map_err(|source| StartError::Open { partition: id, source })?;
    let applied = tables.applied();
    let last = Lsn(log.state().last.0);
    if last < applied {
        return Err(StartError::LogShort { partition: id, tables: store.path(id), applied, last });
    }
    let reader = log.reader(relight_log::Lsn(applied.next().0)).map_err(|source| match source {
        ReadError::Trimmed { first } => {
            StartError::LogTrimmed { partition: id, tables: store.path(id), applied, first: Lsn(first.0) }
        }
        source => StartError::Log { partition: id, source },
    })?;
    Ok((tables, reader))
}

fn connect(partitioning: Partitioning) -> (Arc<[Mailbox]>, Arc<[PartitionHandle]>, Vec<Channels>) {
    let mut mailboxes = Vec::new();
    let mut handles = Vec::new();
    let mut channels = Vec::new();
    for id in partitioning.partitions() {
        let (mailbox, events) = Mailbox::new();
        let (status, status_receiver) = watch::channel(PartitionStatus {
            partition: id,
            role: Role::Follower,
            time: Timestamp::default(),
            applied: Lsn::ZERO,
            committed: Lsn::ZERO,
            durable: Lsn::ZERO,
            stats: Stats::default(),
        });
        let (schema, schema_receiver) = watch::channel(Arc::default());
        handles.push(PartitionHandle::new(id, mailbox.clone(), status_receiver, schema_receiver));
        mailboxes.push(mailbox);
        channels.push(Channels { events, status, schema });
    }
    (mailboxes.into(), handles.into(), channels)
}
