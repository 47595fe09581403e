//! [`Session`]: carries out steps, one after the other, and answers what each has found.
//!
//! What a step does is here; what it looks at and expects is in `session/look.rs`.

mod awakeable;
mod look;
mod parts;
mod resume;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    rc::Rc,
};

use bytes::Bytes;
use relight_core::{
    Answer, Deployment, DeploymentId, DurationMs, EntryIndex, Failure, InvocationId, Lsn, Outcome,
    PartitionKey, Service, Target,
    command::{Command, NewInvocation, Origin, Purge},
    placement,
    schema::HandlerMode,
    tables::{Invocation, ReadTablesExt as _},
};
use relight_executor::Checked;
use serde_json::{Value, json};

use self::parts::{body, object, outcome, target};
use crate::{
    engine::Engine,
    report::Problem,
    scenario::{Component, Settings, Time, duration, replies},
    steps::{self, Step},
    world::{Death, Mishap, MishapKind, World, WorldError},
};

/// Handlers under test, and what has happened to them so far.
pub struct Session {
    engine: Rc<Engine>,
    world: World,
    time: Time,
    /// What paths of components are relative to.
    folder: PathBuf,
    names: BTreeMap<String, InvocationId>,
    saved: BTreeMap<String, Value>,
    minted: u128,
}

/// A step that could not be carried out, or did not go as expected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StepError {
    /// It says something that makes no sense here.
    Bad(String),
    Failed(Box<Problem>),
}

impl StepError {
    fn failed(message: impl Into<String>) -> Self {
        Problem::new(message).into()
    }
}

impl From<Problem> for StepError {
    fn from(problem: Problem) -> Self {
        Self::Failed(Box::new(problem))
    }
}

impl From<WorldError> for StepError {
    fn from(error: WorldError) -> Self {
        Self::failed(error.to_string())
    }
}

impl From<relight_core::tables::TablesError> for StepError {
    fn from(error: relight_core::tables::TablesError) -> Self {
        WorldError::from(error).into()
    }
}

type Result<T = Value> = std::result::Result<T, StepError>;

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Session {
    /// Begins with `component` deployed. `folder`: what paths are relative to.
    pub fn new(
        engine: &Rc<Engine>,
        component: &Component,
        settings: &Settings,
        folder: &Path,
    ) -> Result<Self> {
        Self::begin(engine, component, settings, folder, Death::default())
    }

    pub(crate) fn begin(
        engine: &Rc<Engine>,
        component: &Component,
        settings: &Settings,
        folder: &Path,
        death: Death,
    ) -> Result<Self> {
        let start = settings.start().map_err(StepError::Bad)?;
        let linger = settings.linger().map_err(StepError::Bad)?;
        let mut session = Self {
            engine: Rc::clone(engine),
            world: World::new(engine, start, linger, death)?,
            time: settings.time,
            folder: folder.to_owned(),
            names: BTreeMap::new(),
            saved: BTreeMap::new(),
            minted: 0,
        };
        for (name, replies) in settings.replies().map_err(StepError::Bad)? {
            session.world.outside.answer(name, replies);
        }
        let with_settings = |component: &Component| {
            let mut component = component.clone();
            component.allow_http.extend(settings.allow_http.iter().cloned());
            component.env.extend(settings.env.clone());
            component
        };
        session.deploy(&with_settings(component))?;
        for path in &settings.deploy {
            let component = session.component(path)?;
            session.deploy(&with_settings(&component))?;
        }
        Ok(session)
    }

    /// Carries out one step; answers what it found.
    pub fn step(&mut self, step: &Value) -> Result {
        let step = look::substitute(step, &self.names, &self.saved).map_err(StepError::Bad)?;
        let answer = self.carry_out(Step::parse(&step).map_err(StepError::Bad)?)?;
        self.world.settle()?;
        match self.world.outside.missing.first() {
            Some(message) => Err(StepError::failed(message.clone())),
            None => Ok(answer),
        }
    }

    /// After the last step: what was to happen and did not.
    pub fn end(&self) -> Result<()> {
        match self.world.mishaps.first() {
            Some(Mishap { target, at, kind, .. }) => {
                let what = if *kind == MishapKind::Crash { "crash" } else { "fail" };
                let mut problem =
                    Problem::new(format!("`{target}` never reached entry {at}, where it was to {what}"));
                let hint = format!("`{what}` stands before the step that starts the invocation");
                problem.details.push(hint);
                Err(problem.into())
            }
            None => Ok(()),
        }
    }

    /// What the host complained about, which is not the handlers' fault.
    pub fn complaints(&self) -> Vec<String> {
        self.engine.log.host()
    }

    pub(crate) fn world(&self) -> &World {
        &self.world
    }

    pub(crate) fn world_mut(&mut self) -> &mut World {
        &mut self.world
    }

    fn carry_out(&mut self, step: Step) -> Result {
        match step {
            Step::Deploy(step) => {
                let component = self.component(&step.deploy)?;
                self.deploy(&Component { allow_http: step.allow_http, env: step.env, ..component })
            }
            Step::Invoke(step) => self.invoke(step),
            Step::Send(step) => self.send(step),
            Step::Skip(step) => {
                self.world.skip(duration("skip", &step.skip).map_err(StepError::Bad)?)?;
                Ok(json!({"now": relight_http::time::format_instant(self.world.now().0)}))
            }
            Step::Resolve(step) => {
                let id = self.awakeable(&step.resolve, step.index, step.log.as_deref())?;
                let outcome = Ok(body(step.value, None)?);
                self.ask(|request| Command::ResolveAwakeable { request, id, outcome })
            }
            Step::Reject(step) => {
                let id = self.awakeable(&step.reject, step.index, step.log.as_deref())?;
                let outcome = Err(match (step.reason, step.failure) {
                    (Some(_), Some(_)) => return Err(bad("`reject` has `reason` or `failure`, not both")),
                    (Some(reason), None) => Failure::new(500, reason),
                    (None, Some(failure)) => failure.into(),
                    (None, None) => Failure::new(500, "rejected"),
                });
                self.ask(|request| Command::ResolveAwakeable { request, id, outcome })
            }
            Step::Signal(step) => {
                let (to, name) = (self.invocation(&step.to)?.id, step.signal);
                let outcome = outcome(step.value, step.failure)?;
                self.ask(|request| Command::SendSignal { request, to, name, outcome })
            }
            Step::Promise(step) => {
                let (workflow, name) = (object(&step.of)?, step.promise);
                let outcome = outcome(step.value, step.failure)?;
                self.ask(|request| Command::CompletePromise { request, workflow, name, outcome })
            }
            Step::Cancel(step) => self.ask_about(&step.cancel, |request, id| Command::Cancel { request, id }),
            Step::Kill(step) => self.ask_about(&step.kill, |request, id| Command::Kill { request, id }),
            Step::Pause(step) => self.ask_about(&step.pause, |request, id| Command::Pause { request, id }),
            Step::Resume(step) => self.resume(&step),
            Step::Purge(step) => {
                let what = Purge::Invocation;
                self.ask_about(&step.purge, |request, id| Command::Purge { request, id, what })
            }
            Step::Fail(step) => {
                let message = step.message.unwrap_or_else(|| "the scenario lets it fail".to_owned());
                self.mishap(&step.fail, step.at, MishapKind::Fail(message))
            }
            Step::Crash(step) => self.crash(&step),
            Step::Answer(step) => {
                let replies = replies(&step.answer, &step.with).map_err(StepError::Bad)?;
                self.world.outside.answer(step.answer, replies);
                Ok(json!({}))
            }
            Step::Expect(step) => self.expect(&step),
            Step::State(step) => self.state(&step),
            Step::Effect(step) => self.effect(&step),
        }
    }

    fn crash(&mut self, step: &steps::Crash) -> Result {
        match (&step.crash, step.at) {
            (Value::Bool(true), None) => {
                self.world.crash()?;
                Ok(json!({}))
            }
            (Value::String(target), Some(at)) => self.mishap(target, at, MishapKind::Crash),
            _ => Err(bad("write `crash = true`, or `crash = \"Object/key/handler\"` with `at`")),
        }
    }

    fn mishap(&mut self, text: &str, at: u32, kind: MishapKind) -> Result {
        let (target, at) = (target(text)?, EntryIndex(at));
        let past = self.world.latest(&target)?.filter(|row| at.0 < row.journal.operations);
        let not_before = past.map_or(Lsn::ZERO, |row| row.incarnation);
        self.world.mishaps.push(Mishap { target, at, not_before, kind });
        Ok(json!({}))
    }

    /// A command about an invocation that a step names.
    fn ask_about(
        &mut self,
        reference: &str,
        make: impl FnOnce(relight_core::RequestId, InvocationId) -> Command,
    ) -> Result {
        let id = self.invocation(reference)?.id;
        self.ask(|request| make(request, id))
    }

    fn ask(&mut self, make: impl FnOnce(relight_core::RequestId) -> Command) -> Result {
        match self.world.ask(make)? {
            Answer::Refused(refusal) => Err(StepError::failed(refusal.to_string())),
            _ => Ok(json!({})),
        }
    }
}

impl Session {
    fn invoke(&mut self, step: steps::Invoke) -> Result {
        let expects = step.result.is_some() || step.failure.is_some();
        if !step.wait && (expects || step.save.is_some()) {
            return Err(bad(
                "`wait = false` goes with no `result`, `failure` and `save`: use `expect` later",
            ));
        }
        let request = Request {
            target: target(&step.invoke)?,
            body: body(step.body, step.text)?,
            headers: step.headers,
            idempotency_key: step.idempotency_key,
            delay: None,
        };
        let (id, previously) = self.arrive(request, step.r#as)?;
        if previously && self.runs_once(&target(&step.invoke)?)? {
            return Err(StepError::failed(format!("workflow `{}` has run already", step.invoke)));
        }
        self.world.settle()?;
        if !step.wait {
            return self.found(id);
        }
        let outcome = self.result_of(id)?;
        let checked = look::outcome(&step.invoke, &outcome, step.result.as_ref(), step.failure.as_ref());
        checked.map_err(|problem| self.explained(*problem, id))?;
        if let Some(name) = step.save {
            self.saved.insert(name, look::value(&outcome));
        }
        self.found(id)
    }

    fn send(&mut self, step: steps::Send) -> Result {
        let delay = step.delay.as_deref().map(|text| duration("delay", text)).transpose();
        let request = Request {
            target: target(&step.send)?,
            body: body(step.body, step.text)?,
            headers: step.headers,
            idempotency_key: step.idempotency_key,
            delay: delay.map_err(StepError::Bad)?,
        };
        let (id, _) = self.arrive(request, step.r#as)?;
        self.world.settle()?;
        self.found(id)
    }

    /// Starts an invocation or finds it; answers whether it was there before.
    fn arrive(&mut self, request: Request, name: Option<String>) -> Result<(InvocationId, bool)> {
        let Request { target, body, headers, idempotency_key, delay } = request;
        let runs_once = self.runs_once(&target)?;
        let id = match (&idempotency_key, &target.key) {
            (Some(_), _) if runs_once => {
                return Err(bad("the run of a workflow takes no idempotency key: its key is one"));
            }
            (Some(key), _) => placement::idempotent_id(&target, key),
            (None, Some(key)) if runs_once => placement::workflow_id(&target.service, key),
            (None, _) => {
                self.minted += 1;
                let key = placement::placed(&target, None).unwrap_or(PartitionKey(0));
                InvocationId { key, unique: self.minted }
            }
        };
        let invocation = NewInvocation {
            id,
            target,
            input: body,
            headers: headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect(),
            idempotency_key,
            due: delay.map(|delay| self.world.now().after(delay)),
            origin: Origin::Ingress,
        };
        if self.world.tables.invocation(id)?.is_none() {
            // Of an earlier life of this id.
            self.world.results.remove(&id);
        }
        match self.world.ask(|request| Command::Invoke { request, invocation })? {
            Answer::Accepted { id, previously, .. } => {
                if let Some(name) = name {
                    self.names.insert(name, id);
                }
                Ok((id, previously))
            }
            Answer::Refused(refusal) => Err(StepError::failed(refusal.to_string())),
            other => Err(StepError::failed(format!("an invocation was answered with {other:?}"))),
        }
    }

    fn runs_once(&self, target: &Target) -> Result<bool> {
        let service = self.world.tables.service(&target.service)?;
        let handler = service.as_ref().and_then(|service| service.handler(&target.handler));
        Ok(handler.is_some_and(|handler| handler.mode == HandlerMode::Workflow))
    }

    /// Waits for a result, moving the clock if it may.
    fn result_of(&mut self, id: InvocationId) -> Result<Outcome> {
        let time_passes = self.time == Time::Auto;
        let done = self.world.until(time_passes, |world| Ok(world.results.contains_key(&id)))?;
        if let Some(outcome) = self.world.results.get(&id).filter(|_| done) {
            return Ok(outcome.clone());
        }
        let mut problem = Problem::new(match self.world.tables.invocation(id)? {
            Some(row) => format!("`{}` has no result and nothing more can happen", row.target),
            None => "the invocation is gone".to_owned(),
        });
        if self.time == Time::Manual && self.world.next_instant(false)?.is_some() {
            problem.message.push_str(" until time is skipped (`time = \"manual\"`)");
        }
        Err(self.explained(problem, id))
    }

    fn component(&self, path: &Path) -> Result<Component> {
        let path = self.folder.join(path);
        let bytes = std::fs::read(&path)
            .map_err(|error| StepError::Bad(format!("cannot read `{}`: {error}", path.display())))?;
        Ok(Component::new(bytes))
    }

    fn deploy(&mut self, component: &Component) -> Result {
        let memory_bytes_max = component.memory_bytes_max;
        let checked = self.engine.check(&component.bytes, memory_bytes_max).map_err(|error| {
            StepError::Bad(format!("the component cannot be deployed: {error} ({})", error.code()))
        })?;
        let id = deployment_id(&checked, component);
        let services: Vec<Service> =
            checked.services.iter().map(|service| Service { deployment: id, ..service.clone() }).collect();
        let names: Vec<String> = services.iter().map(|service| service.name.to_string()).collect();
        let deployment = Deployment {
            id,
            digest: checked.digest,
            size_bytes: checked.size_bytes,
            created_at: self.world.now(),
            allow_http: component.allow_http.clone(),
            env: component.env.clone().into_iter().collect(),
            memory_bytes_max,
            services: services.iter().map(|service| service.name.clone()).collect(),
            effects: checked.effects.clone(),
            sdk: checked.sdk.clone(),
            metadata: Vec::new(),
        };
        self.ask(|request| Command::Deploy { request, deployment, services })?;
        Ok(json!({"deployment": id.to_string(), "services": names}))
    }

    /// The invocation that a step names: by the name it was given, by its id, or by its target, of which the last one
    /// is meant.
    fn invocation(&self, reference: &str) -> Result<Box<Invocation>> {
        let id = match self.names.get(reference) {
            Some(id) => Some(*id),
            None => reference.parse().ok(),
        };
        let row = match id {
            Some(id) => self.world.tables.invocation(id)?,
            None => self.world.latest(&target(reference)?)?,
        };
        row.ok_or_else(|| StepError::failed(format!("there is no invocation `{reference}`, or it is purged")))
    }
}

/// What arrives at the door.
struct Request {
    target: Target,
    body: Bytes,
    headers: BTreeMap<String, String>,
    idempotency_key: Option<String>,
    delay: Option<DurationMs>,
}

fn bad(message: impl Into<String>) -> StepError {
    StepError::Bad(message.into())
}

/// Of the component and its configuration, so that the same ones are the same deployment.
fn deployment_id(checked: &Checked, component: &Component) -> DeploymentId {
    let configuration = json!([component.allow_http, component.env, component.memory_bytes_max]).to_string();
    let hash = blake3::hash(&[&checked.digest.0, configuration.as_bytes()].concat());
    DeploymentId(u128::from_be_bytes(hash.as_bytes()[..16].try_into().expect("BLAKE3 has 32 bytes")))
}
