//! [`Client`]: doors. A request is repeated with its id until it has an answer, whatever happens in between; the answer
//! must then be kept for as long as doors may ask.

use relight_core::action::{Answer, Refusal};
use relight_core::command::Command;
use relight_core::limits::REQUEST_OUTCOME_MS;
use relight_core::tables::ReadTablesExt as _;
use relight_core::{PartitionId, RequestId, Timestamp};

use crate::clock::Clock;
use crate::oracle::Violation;
use crate::rng::Rng;
use crate::tables::SimTables;

#[derive(Debug)]
pub struct Request {
    pub id: RequestId,
    pub partition: PartitionId,
    pub command: Command,
    /// It was handed to a leader that has not died since.
    pub sent: bool,
    pub minted_ms: u64,
    /// It must be accepted.
    pub exact: bool,
    answer: Option<Answer>,
}

impl Request {
    /// A leader has had it at some time.
    pub fn was_sent(&self) -> bool {
        self.sent || self.answer.is_some()
    }
}

#[derive(Debug, Default)]
pub struct Client {
    requests: Vec<Request>,
    /// Requests that have no answer, by place.
    open: Vec<usize>,
}

impl Client {
    /// `durable`: time of the last record that is applied where the request goes.
    pub fn mint(rng: &mut Rng, clock: Clock, durable: Timestamp) -> RequestId {
        RequestId::new(clock.wall.max(durable.0), u128::from(rng.next()))
    }

    pub fn add(
        &mut self,
        partition: PartitionId,
        clock: Clock,
        id: RequestId,
        command: Command,
        exact: bool,
    ) {
        self.open.push(self.requests.len());
        let minted_ms = clock.wall;
        self.requests.push(Request { id, partition, command, sent: false, minted_ms, exact, answer: None });
    }

    /// A random request without an answer.
    pub fn pick_open(&mut self, rng: &mut Rng) -> Option<&mut Request> {
        if self.open.is_empty() {
            return None;
        }
        let place = self.open[rng.index(self.open.len())];
        Some(&mut self.requests[place])
    }

    /// A random request, answered or not.
    pub fn pick_any(&self, rng: &mut Rng) -> Option<&Request> {
        (!self.requests.is_empty()).then(|| &self.requests[rng.index(self.requests.len())])
    }

    /// All requests that nobody works on.
    pub fn unsent(&mut self) -> impl Iterator<Item = &mut Request> {
        self.requests.iter_mut().filter(|request| request.answer.is_none() && !request.sent)
    }

    pub fn open_count(&self) -> usize {
        self.open.len()
    }

    /// When the oldest request without an answer was minted.
    pub fn oldest_ms(&self) -> Option<u64> {
        self.open.iter().map(|place| self.requests[*place].minted_ms).min()
    }

    pub fn answered(&mut self, id: RequestId, answer: &Answer) -> Result<(), Violation> {
        let Some(place) = self.requests.iter().rposition(|request| request.id == id) else {
            return Err(Violation(format!("an answer to {id:?}, which nobody asked: {answer:?}")));
        };
        let request = &mut self.requests[place];
        match &request.answer {
            // A repeat that comes after its outcome was forgotten is told so, and nothing else.
            Some(_) if *answer == Answer::Refused(Refusal::RequestExpired) => Ok(()),
            Some(before) if before != answer => {
                Err(Violation(format!("{id:?} was answered {before:?}, and now {answer:?}")))
            }
            Some(_) => Ok(()),
            None if request.exact && matches!(answer, Answer::Refused(_)) => {
                Err(Violation(format!("{:?} was answered {answer:?}", request.command)))
            }
            None => {
                request.answer = Some(answer.clone());
                self.open.retain(|open| *open != place);
                Ok(())
            }
        }
    }

    /// Every connection is lost.
    pub fn crashed(&mut self) {
        for place in &self.open {
            self.requests[*place].sent = false;
        }
    }

    /// What was acknowledged is there, as long as somebody may ask for it.
    pub fn remembered(
        &self,
        partition: PartitionId,
        tables: &SimTables,
        time: Timestamp,
    ) -> Result<(), Violation> {
        let kept_since = time.0.saturating_sub(REQUEST_OUTCOME_MS);
        for request in self.requests.iter().rev() {
            if request.partition != partition || request.minted_ms <= kept_since {
                continue;
            }
            if let Some(answer) = &request.answer {
                let stored = tables.request(request.id)?;
                if stored.as_ref() != Some(answer) {
                    let text = format!("{:?} was answered {answer:?}, and {stored:?} is stored", request.id);
                    return Err(Violation(text));
                }
            }
        }
        Ok(())
    }
}
