//! Guests for `programs.rs`: programs whose every step depends on everything they have observed.

use super::*;

/// Something that a guest has been told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Observation {
    /// Operations made before it: it is certain once they are accepted.
    pub(super) operations: u32,
    pub(super) what: String,
}

#[derive(PartialEq, Eq, Debug)]
pub(super) enum Progress {
    Moved,
    Blocked,
    Done,
}

/// A program in the middle of its run.
pub(super) struct Guest<'a> {
    code: &'a [u8],
    step: usize,
    /// Digest of everything observed; steers all further steps.
    memory: u64,
    handles: Vec<EntryIndex>,
    pub(super) trace: Vec<Observation>,
    pub(super) outcome: Option<Outcome>,
}

pub(super) type Read<'a> = &'a mut dyn FnMut(u32, Option<&str>) -> Reading;

/// What the state view answers: of one key, or all keys.
pub(super) enum Reading {
    Value(Option<Bytes>),
    Keys(Vec<String>),
}

impl<'a> Guest<'a> {
    pub(super) fn new(code: &'a [u8], replay: &Replay) -> Self {
        let mut guest =
            Self { code, step: 0, memory: 7, handles: Vec::new(), trace: Vec::new(), outcome: None };
        guest.observe(replay, format!("{:?}", replay.input()));
        guest
    }

    fn observe(&mut self, replay: &Replay, what: String) {
        for byte in what.bytes() {
            self.memory = mix(self.memory ^ u64::from(byte));
        }
        self.trace.push(Observation { operations: replay.operations(), what });
    }

    /// One step; a blocked one is tried again by the next call.
    pub(super) fn step(
        &mut self,
        replay: &mut Replay,
        clock: Timestamp,
        read: Read<'_>,
    ) -> Result<Progress, String> {
        if self.outcome.is_some() {
            return Ok(Progress::Done);
        }
        let Some(&code) = self.code.get(self.step) else {
            let outcome = Ok(Bytes::from(self.memory.to_string()));
            replay.finish(clock, outcome.clone()).map_err(|error| error.to_string())?;
            self.outcome = Some(outcome);
            return Ok(Progress::Done);
        };
        // The memory has a say in what is done, and in all arguments.
        let dice = Random(self.memory ^ u64::from(code)).next();
        let choice = if code % 4 == 0 { (dice >> 8) as u8 } else { code };
        let moved = match choice % 16 {
            0..=3 => self.wait(replay, WaitMode::Any, dice),
            4 | 5 => self.wait(replay, WaitMode::All, dice),
            6 => {
                self.observe(replay, format!("now {:?}", replay.now()));
                Ok(true)
            }
            7 => self.read(replay, clock, read, dice),
            8 => self.keys(replay, clock, read),
            kind => self.operate(replay, clock, kind, dice),
        }?;
        if !moved {
            return Ok(Progress::Blocked);
        }
        self.step += 1;
        Ok(Progress::Moved)
    }

    fn wait(&mut self, replay: &mut Replay, mode: WaitMode, dice: u64) -> Result<bool, String> {
        if self.handles.is_empty() {
            return Ok(true);
        }
        let mut random = Random(dice);
        let count = 1 + random.below(4);
        let handles: Vec<_> = (0..count).map(|_| self.handles[random.below(self.handles.len())]).collect();
        match replay.wait(mode, &handles).map_err(|error| error.to_string())? {
            Waited::Blocked => return Ok(false),
            Waited::Cancelled => self.observe(replay, format!("cancelled {mode:?} {handles:?}")),
            Waited::Ready(index) => {
                let value = replay.value(index).cloned();
                assert!(value.is_some(), "a handle that a wait has answered has a value");
                self.observe(replay, format!("{mode:?} {handles:?}: {index} {value:?}"));
                if mode == WaitMode::All {
                    let values: Vec<_> = handles.iter().map(|index| replay.value(*index).cloned()).collect();
                    self.observe(replay, format!("{values:?}"));
                }
            }
        }
        Ok(true)
    }

    fn read(
        &mut self,
        replay: &mut Replay,
        clock: Timestamp,
        read: Read<'_>,
        dice: u64,
    ) -> Result<bool, String> {
        let key = key(dice);
        let index = replay.operations();
        let value = replay
            .get_state(clock, &key, || match read(index, Some(&key)) {
                Reading::Value(value) => Ok(value),
                Reading::Keys(_) => Err(std::fmt::Error),
            })
            .map_err(|error| error.to_string())?;
        self.observe(replay, format!("{key} = {value:?}"));
        Ok(true)
    }

    fn keys(&mut self, replay: &mut Replay, clock: Timestamp, read: Read<'_>) -> Result<bool, String> {
        let index = replay.operations();
        let keys = replay
            .state_keys(clock, || match read(index, None) {
                Reading::Keys(keys) => Ok(keys),
                Reading::Value(_) => Err(std::fmt::Error),
            })
            .map_err(|error| error.to_string())?;
        self.observe(replay, format!("{keys:?}"));
        Ok(true)
    }

    fn operate(
        &mut self,
        replay: &mut Replay,
        clock: Timestamp,
        kind: u8,
        dice: u64,
    ) -> Result<bool, String> {
        let payload = Bytes::from(dice.to_string());
        let operation = match kind {
            9 => Operation::SetState { key: key(dice), value: payload },
            10 if dice.is_multiple_of(3) => Operation::ClearAllState,
            10 => Operation::ClearState { key: key(dice) },
            11 => Operation::Effect {
                name: "charge".into(),
                input: payload,
                retry: RetryPolicy::EFFECT,
                timeout: DurationMs(1),
            },
            12 => Operation::Call(Call { input: payload, ..call("1") }),
            13 => Operation::Send { call: Call { input: payload, ..call("2") }, due: Due::Now },
            14 => Operation::Awakeable,
            _ => timer(dice % 1000),
        };
        let is_awaited = operation.is_awaited();
        let made = replay.make(clock, operation).map_err(|error| error.to_string())?;
        if is_awaited {
            self.handles.push(made.index);
        }
        self.observe(replay, format!("made {} at {:?}", made.index, replay.now()));
        Ok(true)
    }
}

pub(super) fn key(dice: u64) -> String {
    format!("key{}", (dice >> 16) % 3)
}

/// splitmix64: the tests need no more than a stream from a seed.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.next().is_multiple_of(n)
    }
}

fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
