//! [`serve`]: steps from another program, one JSON document a line, answered in order.
//!
//! ```text
//! ◀ {"ready": {"protocol": 1}}
//! ▶ {"id": 1, "step": {"invoke": "Counter/a/add", "body": 1}}
//! ◀ {"id": 1, "ok": {"invocation": "inv_1…", "status": "completed", "result": 1, …}}
//! ▶ {"id": 2, "reset": {"effects": {"charge": [{"ok": 1}]}}}
//! ◀ {"id": 2, "ok": {}}
//! ```
//! A step that did not go as expected is answered with `failed`, one that makes no sense with `bad`.

use std::{
    io::{self, BufRead, Read as _, Write},
    path::Path,
    rc::Rc,
};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    engine::Engine,
    limits::SCENARIO_BYTES_MAX,
    scenario::{Component, Settings},
    session::{Session, StepError},
};

/// Counts changes of this protocol that a program can notice.
const PROTOCOL: u32 = 1;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    id: Value,
    step: Option<Value>,
    reset: Option<Value>,
}

/// Answers requests until there are no more. The error is one of the streams, or that of a component that cannot be
/// deployed.
pub fn serve(
    engine: &Rc<Engine>,
    component: &Component,
    folder: &Path,
    mut input: impl BufRead,
    mut output: impl Write,
) -> Result<(), ServeError> {
    let mut session = Session::new(engine, component, &Settings::default(), folder).map_err(|error| {
        ServeError::Component(match error {
            StepError::Bad(message) => message,
            StepError::Failed(problem) => problem.message,
        })
    })?;
    answer(&mut output, &json!({"ready": {"protocol": PROTOCOL}}))?;
    loop {
        let mut line = Vec::new();
        let read = input.by_ref().take(SCENARIO_BYTES_MAX).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(());
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let request: Request = match serde_json::from_slice(&line) {
            Ok(request) => request,
            Err(error) => {
                answer(&mut output, &json!({"id": null, "bad": format!("not a request: {error}")}))?;
                continue;
            }
        };
        let done = match (&request.step, request.reset) {
            (Some(step), None) => session.step(step),
            (None, Some(settings)) => reset(engine, component, folder, settings).map(|fresh| {
                session = fresh;
                json!({})
            }),
            _ => Err(StepError::Bad("a request has `step` or `reset`".to_owned())),
        };
        answer(
            &mut output,
            &match done {
                Ok(found) => json!({"id": request.id, "ok": found}),
                Err(StepError::Bad(message)) => json!({"id": request.id, "bad": message}),
                Err(StepError::Failed(problem)) => {
                    json!({"id": request.id, "failed": problem.json(), "text": problem.to_string()})
                }
            },
        )?;
    }
}

/// Why no more requests are answered.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("{0}")]
    Component(String),
    #[error("failed to read requests or to write answers")]
    Stream(#[from] io::Error),
}

fn reset(
    engine: &Rc<Engine>,
    component: &Component,
    folder: &Path,
    settings: Value,
) -> Result<Session, StepError> {
    let settings = Settings::parse(settings).map_err(StepError::Bad)?;
    Session::new(engine, component, &settings, folder)
}

fn answer(output: &mut impl Write, answer: &Value) -> io::Result<()> {
    writeln!(output, "{answer}")?;
    output.flush()
}
