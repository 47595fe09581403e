//! How long an attempt that waits keeps its instance: as its user says, or as long as that pays.

use std::{collections::HashMap, time::Duration};

use relight_core::{DurationMs, Timestamp, command::WaitMode, ids::EntryIndex};

use crate::{runner::Shared, warm::Kept};

/// A timeout beyond any clock means to linger for ever; a year is as good.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// What an attempt knows of its waits.
pub(crate) struct Patience {
    linger: Linger,
    /// When timers are due, about.
    timers: HashMap<EntryIndex, Timestamp>,
}

/// How long each of its waits keeps the instance.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Linger {
    /// Its user has said so.
    For(Duration),
    /// As long as that pays, if there is room.
    Keep(Duration),
}

/// When a wait gives its instance up.
pub(crate) enum Until {
    /// Its user has said when.
    Instant(tokio::time::Instant),
    /// Its time is over, or others need its room.
    Kept(Kept),
}

impl Patience {
    pub fn new(linger: Linger) -> Self {
        Self { linger, timers: HashMap::new() }
    }

    pub fn timer(&mut self, index: EntryIndex, due: Timestamp) {
        self.timers.insert(index, due);
    }

    /// A wait has to block. `None`: the instance is given up at once.
    pub fn blocks(
        &self,
        shared: &Shared,
        mode: WaitMode,
        handles: &[EntryIndex],
        memory_bytes: u64,
    ) -> Option<Until> {
        let now = tokio::time::Instant::now();
        let keep = match self.linger {
            Linger::For(time) => {
                return (!time.is_zero()).then(|| Until::Instant(now + time.min(FOR_EVER)));
            }
            Linger::Keep(keep) => keep,
        };
        if self.is_vain(shared.now(), keep, mode, handles) {
            return None;
        }
        let kept = shared.warm.enter(now + keep, memory_bytes);
        shared.make_room();
        Some(Until::Kept(kept))
    }

    /// Whether nothing but a cancellation can answer within `keep`, because timers are due later.
    fn is_vain(&self, now: Timestamp, keep: Duration, mode: WaitMode, handles: &[EntryIndex]) -> bool {
        let keep = DurationMs(u64::try_from(keep.as_millis()).unwrap_or(u64::MAX));
        let until = now.after(keep);
        let is_late = |handle| self.timers.get(handle).is_some_and(|due| until < *due);
        match mode {
            WaitMode::Any => handles.iter().all(is_late),
            WaitMode::All => handles.iter().any(is_late),
        }
    }
}

impl Until {
    pub async fn over(&self) {
        match self {
            Self::Instant(instant) => tokio::time::sleep_until(*instant).await,
            Self::Kept(kept) => kept.over().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_is_in_vain_when_no_timer_is_due_in_time() {
        let mut patience = Patience::new(Linger::Keep(Duration::ZERO));
        let [soon, late, call] = [1, 2, 3].map(EntryIndex);
        patience.timer(soon, Timestamp(10_500));
        patience.timer(late, Timestamp(20_000));
        let is_vain = |mode, handles: &[EntryIndex]| {
            patience.is_vain(Timestamp(10_000), Duration::from_secs(1), mode, handles)
        };
        assert!(is_vain(WaitMode::Any, &[late]));
        assert!(!is_vain(WaitMode::Any, &[soon]));
        assert!(!is_vain(WaitMode::Any, &[late, soon]));
        assert!(!is_vain(WaitMode::Any, &[late, call]));
        assert!(is_vain(WaitMode::All, &[late, call]));
        assert!(!is_vain(WaitMode::All, &[soon, call]));
    }
}
