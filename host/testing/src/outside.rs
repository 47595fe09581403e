//! [`Outside`]: the world that effects and inline runs talk to. It has the answers that a scenario gives, remembers what
//! was asked, and does not die with the process.

use std::{collections::BTreeMap, rc::Rc};

use bytes::Bytes;
use relight_core::{
    DurationMs, EntryIndex, Failure, InvocationId, Operation, Outcome, Timestamp, command::EffectError,
    journal::Entry,
};
use serde_json::Value;

use crate::{expect::fits, view::payload};

/// An attempt of an effect: the same one whatever crashes between its start and its result.
pub(crate) type EffectAttempt = (InvocationId, EntryIndex, u32);

/// How an attempt of an effect ends.
pub(crate) type EffectEnd = Result<Outcome, EffectError>;

/// What a scenario says of one attempt of an effect.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// Only for inputs that match.
    pub when: Option<Value>,
    pub after: DurationMs,
    pub end: EffectEnd,
}

/// What was asked, once for each attempt.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub name: String,
    pub input: Bytes,
}

/// What real effects and inline runs have answered in one run of a scenario, for another one to hear the same.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    effects: BTreeMap<EffectAttempt, EffectEnd>,
    runs: BTreeMap<(InvocationId, EntryIndex), Outcome>,
}

#[derive(Debug, Default)]
pub(crate) struct Outside {
    replies: BTreeMap<String, Vec<(Reply, bool)>>,
    given: BTreeMap<EffectAttempt, (Timestamp, EffectEnd)>,
    asked: Vec<Asked>,
    pub heard: Heard,
    /// Of an earlier run.
    pub before: Option<Rc<Heard>>,
    /// Effects that were asked for and have no answer that fits.
    pub missing: Vec<String>,
}

impl Outside {
    /// From now on attempts of the effect `name` get these, in order; the last one stays.
    pub fn answer(&mut self, name: String, replies: Vec<Reply>) {
        self.replies.insert(name, replies.into_iter().map(|reply| (reply, false)).collect());
    }

    /// The answer to an attempt of an effect and when it comes, or `None`: run it. The same attempt gets the same
    /// answer at the same time, also when a process that has died asks for it again.
    pub fn ask(
        &mut self,
        attempt: EffectAttempt,
        now: Timestamp,
        name: &str,
        input: &Bytes,
    ) -> Option<(Timestamp, EffectEnd)> {
        if let Some(given) = self.given.get(&attempt) {
            return Some(given.clone());
        }
        self.asked.push(Asked { name: name.to_owned(), input: input.clone() });
        let heard = self.before.as_ref().and_then(|heard| heard.effects.get(&attempt));
        let given = match heard {
            Some(end) => (now, end.clone()),
            None => self.reply(now, name, input)?,
        };
        self.given.insert(attempt, given.clone());
        Some(given)
    }

    fn reply(&mut self, now: Timestamp, name: &str, input: &Bytes) -> Option<(Timestamp, EffectEnd)> {
        let value = payload(input);
        let replies = self.replies.get_mut(name)?.iter_mut();
        let mut fitting: Vec<_> =
            replies.filter(|(reply, _)| reply.when.as_ref().is_none_or(|when| fits(when, &value))).collect();
        let unused = fitting.iter().position(|(_, used)| !*used).or_else(|| fitting.len().checked_sub(1));
        let Some(place) = unused else {
            let message = format!("the scenario has no answer for effect `{name}` with the input {value}");
            self.missing.push(message.clone());
            return Some((now, Ok(Err(Failure::new(500, message)))));
        };
        let (reply, used) = &mut *fitting[place];
        *used = true;
        Some((now.after(reply.after), reply.end.clone()))
    }

    /// A real effect has ended at `now`.
    pub fn ended(&mut self, attempt: EffectAttempt, now: Timestamp, end: EffectEnd) {
        self.given.insert(attempt, (now, end.clone()));
        self.heard.effects.insert(attempt, end);
    }

    /// The result of an inline run is what the earlier run heard, if there was one.
    pub fn entry(&mut self, id: InvocationId, index: EntryIndex, mut entry: Entry) -> Entry {
        if let Operation::Run { outcome, .. } = &mut entry.operation {
            if let Some(heard) = self.before.as_ref().and_then(|heard| heard.runs.get(&(id, index))) {
                outcome.clone_from(heard);
            }
            self.heard.runs.insert((id, index), outcome.clone());
        }
        entry
    }

    /// Inputs of the attempts of one effect, in order.
    pub fn asked(&self, name: &str) -> Vec<Value> {
        self.asked.iter().filter(|asked| asked.name == name).map(|asked| payload(&asked.input)).collect()
    }

    /// How often each effect was asked for.
    pub fn counts(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for asked in &self.asked {
            *counts.entry(asked.name.as_str()).or_default() += 1;
        }
        counts
    }
}
