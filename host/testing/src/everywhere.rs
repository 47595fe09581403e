//! [`run`]: a scenario once, and if it is asked for once more for every record, with the death of the process after
//! it. Nothing that anybody can see may differ.

use std::{path::Path, rc::Rc, time::Instant};

use relight_core::{
    JournalItem, Notification, Value,
    journal::NotificationKind,
    tables::{Invocation, Key, ReadTablesExt as _, Row, Status, TablesError},
};

use crate::{
    engine::Engine,
    outside::Heard,
    report::{Outcome, Problem, Report},
    scenario::{Component, Scenario},
    session::{Session, StepError},
    steps::Step,
    view,
    world::{Death, Sabotage, World},
};

/// How a scenario is run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    pub crash_everywhere: bool,
    /// A fault of the host on purpose, for tests of this crate.
    #[doc(hidden)]
    pub sabotage: Option<Sabotage>,
}

/// Runs a scenario with `component` deployed.
pub fn run(engine: &Rc<Engine>, scenario: &Scenario, component: &Component, options: &Options) -> Report {
    let begun = Instant::now();
    let mut crashes = 0;
    let outcome = match all_runs(engine, scenario, component, options, &mut crashes) {
        Ok(()) => Outcome::Passed,
        Err(StepError::Bad(message)) => Outcome::Bad(message),
        Err(StepError::Failed(mut problem)) => {
            let complaints = engine.log.host();
            problem.details.extend(complaints.into_iter().map(|line| format!("host  {line}")));
            Outcome::Failed(*problem)
        }
    };
    Report {
        file: scenario.file.clone(),
        name: scenario.name.clone(),
        outcome,
        elapsed: begun.elapsed(),
        crashes,
    }
}

fn all_runs(
    engine: &Rc<Engine>,
    scenario: &Scenario,
    component: &Component,
    options: &Options,
    crashes: &mut u64,
) -> Result<(), StepError> {
    let mut plain = play(engine, scenario, component, Death::default(), None)?;
    if !options.crash_everywhere {
        return Ok(());
    }
    let heard = Rc::new(std::mem::take(&mut plain.world_mut().outside.heard));
    let (seen, records) = (Seen::of(plain.world()).map_err(tables)?, plain.world().history.clone());
    for (count, record) in (1..).zip(&records) {
        let death = Death { after_records: Some(count), sabotage: options.sabotage };
        let session = play(engine, scenario, component, death, Some(&heard));
        let with_crash = |error| match error {
            StepError::Failed(problem) => Problem { crash: Some(record.clone()), ..*problem }.into(),
            bad => bad,
        };
        let session = session.map_err(with_crash)?;
        *crashes += 1;
        let other = Seen::of(session.world()).map_err(tables)?;
        seen.same(&other).map_err(|problem| with_crash((*problem).into()))?;
    }
    Ok(())
}

fn tables(error: TablesError) -> StepError {
    Problem::new(error.to_string()).into()
}

/// Carries out all steps; the error says at which it ended.
fn play(
    engine: &Rc<Engine>,
    scenario: &Scenario,
    component: &Component,
    death: Death,
    heard: Option<&Rc<Heard>>,
) -> Result<Session, StepError> {
    let folder = scenario.file.parent().unwrap_or(Path::new("."));
    let mut session = Session::begin(engine, component, &scenario.settings, folder, death)?;
    session.world_mut().outside.before = heard.cloned();
    for (number, step) in (1..).zip(&scenario.steps) {
        let title = format!("step {number} ({})", Step::title(step));
        session.step(step).map_err(|error| match error {
            StepError::Bad(message) => StepError::Bad(format!("{title}: {message}")),
            StepError::Failed(problem) => Problem { step: Some(title), ..*problem }.into(),
        })?;
    }
    session.end()?;
    Ok(session)
}

/// Everything that can be seen of a run from outside, as titles and texts in order.
struct Seen(Vec<(String, String)>);

impl Seen {
    fn of(world: &World) -> Result<Self, TablesError> {
        let mut seen = Vec::new();
        for (key, row) in world.tables.rows() {
            match (key, row) {
                (_, Row::Invocation(row)) => invocation(world, row, &mut seen)?,
                (Key::State(object, name), Row::State(value)) => {
                    seen.push((
                        format!("state `{name}` of `{object:?}`"),
                        view::shown(&view::payload(value)),
                    ));
                }
                (Key::Promise(object, name), Row::Promise(promise)) => {
                    let title = format!("promise `{name}` of `{object:?}`");
                    seen.push((title, format!("{:?}", promise.outcome)));
                }
                _ => {}
            }
        }
        for (name, count) in world.outside.counts() {
            seen.push((format!("effect `{name}`"), format!("{count} attempts")));
        }
        Ok(Self(seen))
    }

    fn same(&self, other: &Self) -> Result<(), Box<Problem>> {
        let longest = self.0.len().max(other.0.len());
        let Some(place) = (0..longest).find(|place| self.0.get(*place) != other.0.get(*place)) else {
            return Ok(());
        };
        let (plain, crashed) = (self.0.get(place), other.0.get(place));
        let title = plain.or(crashed).map(|(title, _)| title.as_str()).unwrap_or_default();
        let mut problem = Problem::new(format!("{title} is not the same as without a crash"));
        let text = |seen: Option<&(String, String)>| match seen {
            Some((of, text)) if of == title => text.clone(),
            _ => "nothing".to_owned(),
        };
        problem.expected = Some(text(plain));
        problem.got = Some(text(crashed));
        Err(Box::new(problem))
    }
}

fn invocation(world: &World, row: &Invocation, seen: &mut Vec<(String, String)>) -> Result<(), TablesError> {
    let title = match row.invoked_by {
        // One target may be invoked many times.
        Some(_) => format!("`{}` ({})", row.target, row.id),
        None => format!("`{}`", row.target),
    };
    let status = match &row.status {
        Status::Completed { outcome, .. } => format!("completed with {outcome:?}"),
        Status::Paused { reason } => format!("paused: {reason}"),
        other => other.name().to_owned(),
    };
    seen.push((format!("the end of {title}"), status));
    for (position, item) in world.tables.journal(row.id)?.iter().enumerate() {
        seen.push((format!("item {position} of the journal of {title}"), journal_item(item)));
    }
    Ok(())
}

fn journal_item(item: &JournalItem) -> String {
    match item {
        JournalItem::Operation(entry) => {
            format!("{}  {:?} at {}", view::line(&entry.operation), entry.operation, entry.made_at.0)
        }
        JournalItem::Notification(Notification { at, kind }) => match kind {
            NotificationKind::Cancelled => format!("cancelled at {}", at.0),
            NotificationKind::Completed { index, value } => {
                let value = match value {
                    Value::Void => "nothing".to_owned(),
                    Value::Success(bytes) => view::payload(bytes).to_string(),
                    Value::Failure(failure) => format!("failure {failure}"),
                };
                format!("result of entry {index}: {value} at {}", at.0)
            }
        },
    }
}
