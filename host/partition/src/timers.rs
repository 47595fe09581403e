//! [`Timers`]: which timer fires next. A window over the timer rows, the earliest of them; firing is a command.
//!
//! ```text
//!  rows by due time:   t1 t2 t3 … t4096 │ t4097 …
//!                      ╰──── window ──╯ ╰─ in the tables only; read when the window is empty
//!                               loaded_upto = t4096
//! ```

use std::collections::{BTreeSet, HashSet};

use relight_core::tables::{Key, Prefix, ReadTables, TablesError, TimerKey};
use relight_core::value::Timestamp;

use crate::limits::{TIMERS_IN_FLIGHT_MAX, TIMERS_WINDOW_MAX};

#[derive(Debug, Default)]
pub struct Timers {
    /// All timers of the tables up to `loaded_upto`, but those in flight.
    window: BTreeSet<TimerKey>,
    /// `None`: the window has all there are.
    loaded_upto: Option<TimerKey>,
    /// Proposed to fire and not applied yet: they must not fire twice.
    in_flight: HashSet<TimerKey>,
}

impl Timers {
    /// The timers of a partition whose leader begins.
    pub fn load(tables: &impl ReadTables) -> Result<Self, TablesError> {
        let mut timers = Self::default();
        timers.load_after(tables, None)?;
        Ok(timers)
    }

    pub fn set(&mut self, timer: TimerKey) {
        let beyond = self.loaded_upto.as_ref().is_some_and(|loaded_upto| *loaded_upto < timer);
        if beyond || self.in_flight.contains(&timer) {
            return;
        }
        self.window.insert(timer);
        if self.window.len() <= TIMERS_WINDOW_MAX {
            return;
        }
        self.window.pop_last();
        self.loaded_upto = self.window.last().cloned();
    }

    /// It was deleted, or it has fired and that is applied.
    pub fn remove(&mut self, timer: &TimerKey) {
        self.window.remove(timer);
        self.in_flight.remove(timer);
    }

    /// Takes the timers that are due at `now`; the caller proposes that they fire.
    pub fn take_due(
        &mut self,
        tables: &impl ReadTables,
        now: Timestamp,
    ) -> Result<Vec<TimerKey>, TablesError> {
        let mut due = Vec::new();
        while self.in_flight.len() < TIMERS_IN_FLIGHT_MAX {
            self.refill(tables)?;
            match self.window.first() {
                Some(first) if first.due <= now => {}
                _ => break,
            }
            let timer = self.window.pop_first().expect("the window has a first timer: just looked at");
            self.in_flight.insert(timer.clone());
            due.push(timer);
        }
        Ok(due)
    }

    /// When `take_due` is worth calling again. While too many are in flight that is when one of them is applied.
    pub fn next_due(&self) -> Option<Timestamp> {
        if self.in_flight.len() < TIMERS_IN_FLIGHT_MAX {
            self.window.first().map(|timer| timer.due)
        } else {
            None
        }
    }

    pub fn in_memory(&self) -> usize {
        self.window.len()
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// After many earlier timers were set, the window may have shrunk to before a timer in flight: its row is still
    /// there and is read again, but it must not fire again.
    fn refill(&mut self, tables: &impl ReadTables) -> Result<(), TablesError> {
        if self.window.is_empty()
            && let Some(loaded_upto) = self.loaded_upto.take()
        {
            self.load_after(tables, Some(&Key::Timer(loaded_upto)))?;
        }
        Ok(())
    }

    fn load_after(&mut self, tables: &impl ReadTables, after: Option<&Key>) -> Result<(), TablesError> {
        // Half the window, so that the timers set meanwhile have room in the other half.
        let limit = TIMERS_WINDOW_MAX / 2;
        let rows = tables.scan(&Prefix::Timer, after, limit)?;
        let complete = rows.len() < limit;
        for (key, _) in rows {
            if let Key::Timer(timer) = key {
                if !complete {
                    self.loaded_upto = Some(timer.clone());
                }
                if !self.in_flight.contains(&timer) {
                    self.window.insert(timer);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use relight_core::ids::{InvocationId, Lsn, PartitionKey};
    use relight_core::tables::memory::MemoryTables;
    use relight_core::tables::{Row, Tables, TimerKind};

    use super::*;

    fn timer(due: u64, unique: u128) -> TimerKey {
        let id = InvocationId { key: PartitionKey(0), unique };
        TimerKey { due: Timestamp(due), id, incarnation: Lsn(1), kind: TimerKind::Start }
    }

    fn tables(timers: impl IntoIterator<Item = TimerKey>) -> MemoryTables {
        let mut tables = MemoryTables::default();
        for timer in timers {
            tables.put(Key::Timer(timer), Row::Present);
        }
        tables
    }

    fn due(timers: &mut Timers, tables: &MemoryTables, now: u64) -> Vec<u64> {
        let due = timers.take_due(tables, Timestamp(now)).unwrap();
        due.iter().map(|timer| timer.due.0).collect()
    }

    #[test]
    fn fire_in_order_and_once() {
        let tables = tables([timer(30, 1), timer(10, 2)]);
        let mut timers = Timers::load(&tables).unwrap();
        timers.set(timer(20, 3));
        assert_eq!(timers.next_due(), Some(Timestamp(10)));
        assert_eq!(due(&mut timers, &tables, 25), [10, 20]);
        assert_eq!(due(&mut timers, &tables, 25), [0; 0]);
        assert_eq!(timers.next_due(), Some(Timestamp(30)));
    }

    #[test]
    fn a_timer_in_flight_is_not_set_again_until_it_is_applied() {
        let tables = tables([]);
        let mut timers = Timers::load(&tables).unwrap();
        timers.set(timer(10, 1));
        assert_eq!(due(&mut timers, &tables, 10), [10]);
        timers.set(timer(10, 1));
        assert_eq!(due(&mut timers, &tables, 10), [0; 0]);
        timers.remove(&timer(10, 1));
        timers.set(timer(10, 1));
        assert_eq!(due(&mut timers, &tables, 10), [10]);
    }

    #[test]
    fn a_deleted_timer_does_not_fire() {
        let tables = tables([timer(10, 1)]);
        let mut timers = Timers::load(&tables).unwrap();
        timers.remove(&timer(10, 1));
        assert_eq!(due(&mut timers, &tables, 10), [0; 0]);
        assert_eq!(timers.next_due(), None);
    }

    #[test]
    fn more_timers_than_the_window_all_fire_in_order() {
        let count = 3 * TIMERS_WINDOW_MAX as u64;
        let mut tables = tables((0..count).map(|due| timer(2 * due, due.into())));
        let mut timers = Timers::load(&tables).unwrap();
        // Set while running: some within the window, one beyond.
        for odd in [1, 3, 2 * count + 1] {
            tables.put(Key::Timer(timer(odd, odd.into())), Row::Present);
            timers.set(timer(odd, odd.into()));
        }
        let mut fired = Vec::new();
        loop {
            let batch = timers.take_due(&tables, Timestamp(u64::MAX)).unwrap();
            assert!(batch.len() <= TIMERS_IN_FLIGHT_MAX);
            if batch.is_empty() {
                break;
            }
            for timer in batch {
                tables.delete(Key::Timer(timer.clone()));
                timers.remove(&timer);
                fired.push(timer.due.0);
            }
        }
        assert_eq!(fired.len() as u64, count + 3);
        assert!(fired.is_sorted());
    }

    #[test]
    fn the_window_is_bounded_and_loses_none() {
        let mut tables = tables([]);
        let mut timers = Timers::load(&tables).unwrap();
        let count = TIMERS_WINDOW_MAX as u64 + 100;
        for due in (0..count).rev() {
            tables.put(Key::Timer(timer(due, 0)), Row::Present);
            timers.set(timer(due, 0));
        }
        assert_eq!(timers.in_memory(), TIMERS_WINDOW_MAX);
        let mut fired = Vec::new();
        while let Some(next) = timers.next_due() {
            for timer in timers.take_due(&tables, next).unwrap() {
                tables.delete(Key::Timer(timer.clone()));
                timers.remove(&timer);
                fired.push(timer.due.0);
            }
            timers.refill(&tables).unwrap();
        }
        assert_eq!(fired, (0..count).collect::<Vec<_>>());
    }
}
