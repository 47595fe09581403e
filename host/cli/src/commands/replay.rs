//! `relight replay`: what was typed, and how a replay is told. Running it is for the crate that depends on this one.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use relight_admin::{bundle::Bundle, types::ReplayVerdict};
use relight_core::{
    EntryIndex, JournalItem, Operation, Outcome, Value,
    command::WaitMode,
    replay::{describe, describe_wait},
};
use relight_executor::{Observer, Recorded, Step, Verdict};
use serde_json::{Value as Json, json};

use crate::{
    error::{Error, Exit, Result},
    output::{self, Format},
    project,
};

/// Characters of a payload that a line shows.
const PAYLOAD_CHARS_MAX: usize = 120;

/// Run an exported invocation against a component, offline, and print each step.
///
/// Nothing but the journal answers: no effect runs, nothing is sent or stored, no server is needed. Fails (exit code 1)
/// when the component does something else than the journal says. Of a folder of bundles each is replayed, and its
/// verdict is printed.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  $ relight inv export inv_1abc --out order.json\n  $ relight replay order.json orders.wasm\n  $ relight replay order.json orders -o json\n  $ relight replay tests/bundles orders"
)]
pub struct Replay {
    /// What `relight inv export` wrote, or a folder of such files.
    bundle: PathBuf,
    /// A `.wasm` file or the folder of a project.
    component: PathBuf,
}

/// Everything that a replay needs.
#[derive(Debug)]
pub struct Replaying {
    /// In order, at least one.
    pub bundles: Vec<Exported>,
    /// The component as it is to be checked and run.
    pub component: Bytes,
    /// The most that any of the bundles was given.
    pub memory_bytes_max: Option<u64>,
    format: Format,
    is_folder: bool,
    /// Verdicts so far, for one document.
    documents: Vec<Json>,
    all_compatible: bool,
}

/// One bundle.
#[derive(Debug)]
pub struct Exported {
    pub recorded: Recorded,
    file: PathBuf,
    teller: Arc<Teller>,
    /// Of the component that the invocation ran on.
    digest: Option<String>,
}

impl Replay {
    pub(crate) fn load(self, format: Format) -> Result<Replaying> {
        let is_folder = self.bundle.is_dir();
        let files = if is_folder { bundles_in(&self.bundle)? } else { vec![self.bundle] };
        let manner = match (format, is_folder) {
            (Format::Table, false) => Manner::Print,
            (Format::Table, true) => Manner::Silent,
            _ => Manner::Keep,
        };
        let (mut bundles, mut memory_bytes_max) = (Vec::new(), None);
        for file in files {
            let (bundle, recorded) = read(&file)?;
            let component = bundle.component;
            memory_bytes_max = memory_bytes_max.max(component.as_ref().map(|component| component.memory_max));
            let teller = Arc::new(Teller { manner, steps: Mutex::default() });
            let digest = component.map(|component| component.digest);
            bundles.push(Exported { recorded, file, teller, digest });
        }
        let built = project::component(&self.component)?;
        project::describe(&built);
        let component = Bytes::from(built.bytes);
        let (documents, all_compatible) = (Vec::new(), true);
        Ok(Replaying { bundles, component, memory_bytes_max, format, is_folder, documents, all_compatible })
    }
}

fn bundles_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = |error| project::unreadable(folder, &error);
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        if file.extension().is_some_and(|extension| extension == "json") {
            files.push(file);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(Error::usage(format!("there is no bundle in `{}`", folder.display()))
            .hint("`relight inv export ID --out FILE.json` writes one"));
    }
    Ok(files)
}

fn read(file: &Path) -> Result<(Bundle, Recorded)> {
    let bytes = fs::read(file).map_err(|error| project::unreadable(file, &error))?;
    let unfit = |error: relight_admin::bundle::BundleError| {
        Error::new(Exit::Failed, format!("`{}` is not a bundle", file.display()))
            .because(&error)
            .hint("`relight inv export ID --out FILE` writes one")
    };
    let bundle = Bundle::parse(&bytes).map_err(unfit)?;
    let recorded = bundle.recorded().map_err(unfit)?;
    Ok((bundle, recorded))
}

impl Exported {
    /// Tells each step as it comes.
    pub fn observer(&self) -> Arc<dyn Observer> {
        self.teller.clone()
    }
}

impl Replaying {
    /// The component is a good one and has this digest; a bundle's turn has come.
    pub fn begin(&self, bundle: &Exported, digest: &str) {
        let Recorded { id, target, .. } = &bundle.recorded;
        if !self.is_folder {
            output::say(&format!("replaying {id} ({target})"));
            if let Some(recorded) = bundle.digest.as_ref().filter(|recorded| *recorded != digest) {
                output::say(&format!("note: it ran on another component, {recorded}; this one is {digest}"));
            }
        }
        if let Some(JournalItem::Operation(entry)) = bundle.recorded.journal.first() {
            let operation = entry.operation.clone();
            bundle.teller.step(Step::Made { index: EntryIndex::ZERO, operation });
        }
    }

    /// Tells the verdict on the bundle at `index`.
    pub fn end(&mut self, index: usize, verdict: Verdict) {
        let Exported { recorded, file, teller, .. } = &self.bundles[index];
        let verdict = ReplayVerdict::from(verdict);
        self.all_compatible &= verdict.is_compatible();
        if self.format != Format::Table {
            self.documents.push(json!({
                "file": file.display().to_string(),
                "id": recorded.id.to_string(),
                "target": recorded.target.to_string(),
                "steps": teller.take(),
                "verdict": verdict,
            }));
            return;
        }
        let words = words(&verdict);
        let of_file = if self.is_folder { format!("{}  ", file.display()) } else { String::new() };
        // Where nobody reads any more, the exit code still tells the verdict.
        let _ = output::print(&format!("{of_file}{words}"));
    }

    /// After the last verdict: the exit code.
    pub fn exit(self) -> ExitCode {
        let told = match (self.format, &self.documents[..]) {
            (Format::Table, _) => Ok(()),
            (format, [document]) if !self.is_folder => output::one(format, document, "id", |_| String::new()),
            (format, documents) => output::list(format, documents, "id", &[]),
        };
        match told {
            Err(error) => {
                output::say(&error.to_string());
                error.exit.into()
            }
            Ok(()) if self.all_compatible => ExitCode::SUCCESS,
            Ok(()) => Exit::Failed.into(),
        }
    }
}

fn words(verdict: &ReplayVerdict) -> String {
    let ReplayVerdict { verdict: name, operations, ahead, message, .. } = verdict;
    match (operations, ahead, message) {
        (Some(operations), Some(ahead), _) => {
            format!("{name}: the handler made all {operations} recorded operations again, then {ahead}\n")
        }
        (_, _, Some(message)) => format!("{name}: {message}\n"),
        _ => format!("{name}\n"),
    }
}

/// What becomes of steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// They are printed as they come.
    Print,
    /// They are kept for one document.
    Keep,
    /// Nobody wants to see them.
    Silent,
}

#[derive(Debug)]
struct Teller {
    manner: Manner,
    steps: Mutex<Vec<Json>>,
}

impl Teller {
    fn tell(&self, line: &str, json: Json) {
        match self.manner {
            // Where nobody reads any more, the exit code still tells the verdict.
            Manner::Print => drop(output::print(&format!("{line}\n"))),
            Manner::Keep => self.steps.lock().unwrap_or_else(PoisonError::into_inner).push(json),
            Manner::Silent => {}
        }
    }

    fn take(&self) -> Vec<Json> {
        std::mem::take(&mut self.steps.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Observer for Teller {
    fn step(&self, step: Step) {
        match step {
            Step::Made { index, operation } => {
                let (what, detail) = (describe(&operation), detail(&operation));
                let shown = detail.as_ref().map(|detail| format!("  {detail}")).unwrap_or_default();
                let json = json!({
                    "index": index.0, "type": operation.kind(), "operation": what, "detail": detail,
                });
                self.tell(&format!("{:>6}  {what}{shown}", index.0), json);
            }
            Step::Answered { mode, handles, answer, value } => {
                let entries = describe_wait(mode, &handles);
                let value = value.as_ref().map(value_text);
                let by = match (mode, &*handles) {
                    (WaitMode::Any, [_]) | (WaitMode::All, _) => String::new(),
                    (WaitMode::Any, _) => format!(" by entry {answer}"),
                };
                let shown = value.as_ref().map(|value| format!("  {value}")).unwrap_or_default();
                let json = json!({"wait": entries, "answered_by": answer.0, "value": value});
                self.tell(&format!("        wait for {entries}: answered{by}{shown}"), json);
            }
        }
    }

    fn line(&self, level: &'static str, message: &str, fields: &str) {
        let fields_shown = if fields.is_empty() { String::new() } else { format!("  {fields}") };
        let json = json!({"log": level, "message": message, "fields": fields});
        self.tell(&format!("        log {level}: {message}{fields_shown}"), json);
    }
}

/// The payload that matters most of an operation.
fn detail(operation: &Operation) -> Option<String> {
    match operation {
        Operation::Input { body: bytes, .. }
        | Operation::SetState { value: bytes, .. }
        | Operation::Effect { input: bytes, .. } => Some(payload(bytes)),
        Operation::Call(call) | Operation::Send { call, .. } => Some(payload(&call.input)),
        Operation::GetState { value, .. } => Some(value.as_ref().map_or("nothing".to_owned(), payload)),
        Operation::StateKeys { keys } => Some(keys.join(", ")),
        Operation::Run { outcome, .. }
        | Operation::Output { outcome }
        | Operation::ResolveAwakeable { outcome, .. }
        | Operation::SendSignal { outcome, .. }
        | Operation::PromiseComplete { outcome, .. } => Some(outcome_text(outcome)),
        _ => None,
    }
}

fn outcome_text(outcome: &Outcome) -> String {
    match outcome {
        Ok(bytes) => payload(bytes),
        Err(failure) => format!("failure {failure}"),
    }
}

fn value_text(value: &Value) -> String {
    match value {
        Value::Void => "over".to_owned(),
        Value::Success(bytes) => payload(bytes),
        Value::Failure(failure) => format!("failure {failure}"),
    }
}

/// Text where it is text, on one line.
fn payload(bytes: &Bytes) -> String {
    let Ok(text) = std::str::from_utf8(bytes) else { return format!("{} bytes", bytes.len()) };
    let mut shown: String = text.chars().take(PAYLOAD_CHARS_MAX).collect();
    if text.chars().nth(PAYLOAD_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_stand_on_one_line() {
        assert_eq!(payload(&Bytes::from_static(b"{\n}")), "{ }");
        assert_eq!(payload(&Bytes::from_static(&[0xff])), "1 bytes");
        let long = payload(&Bytes::from("x".repeat(500)));
        assert_eq!(long.chars().count(), PAYLOAD_CHARS_MAX + 1);
    }

    #[test]
    fn a_verdict_is_a_sentence() {
        let verdict = Verdict::Compatible {
            operations: 3,
            ahead: relight_executor::Ahead::Waits("entry 2, an awakeable".to_owned()),
        };
        assert_eq!(
            words(&verdict.into()),
            "compatible: the handler made all 3 recorded operations again, then waits for entry 2, an awakeable\n"
        );
    }
}
