//! The steps that can be written, each named by its verb. What they do is in `session.rs`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::scenario::{FailureDef, present};

/// One thing that happens or is looked at.
pub(crate) enum Step {
    Deploy(Deploy),
    Invoke(Invoke),
    Send(Send),
    Skip(Skip),
    Resolve(Resolve),
    Reject(Reject),
    Signal(Signal),
    Promise(Promise),
    Cancel(Cancel),
    Kill(Kill),
    Pause(Pause),
    Resume(Resume),
    Purge(Purge),
    Fail(Fail),
    Crash(Crash),
    Answer(Answer),
    Expect(Expect),
    State(State),
    Effect(Effect),
}

macro_rules! step {
    ($(#[$doc:meta])* $name:ident { $($(#[$attribute:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Deserialize)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields)]
        pub(crate) struct $name { $($(#[$attribute])* pub $field: $type,)* }
    };
}

step! {
    /// Another component: a new revision of its services.
    Deploy {
        deploy: PathBuf,
        #[serde(default)]
        allow_http: Vec<String>,
        #[serde(default)]
        env: BTreeMap<String, String>,
    }
}
step! {
    /// Calls a handler and waits for its result.
    Invoke {
        invoke: String,
        #[serde(default, deserialize_with = "present")]
        body: Option<Value>,
        text: Option<String>,
        #[serde(default)]
        headers: BTreeMap<String, String>,
        idempotency_key: Option<String>,
        r#as: Option<String>,
        save: Option<String>,
        #[serde(default = "yes")]
        wait: bool,
        #[serde(default, deserialize_with = "present")]
        result: Option<Value>,
        failure: Option<Value>,
    }
}
step! {
    /// Sends to a handler, now or later.
    Send {
        send: String,
        #[serde(default, deserialize_with = "present")]
        body: Option<Value>,
        text: Option<String>,
        #[serde(default)]
        headers: BTreeMap<String, String>,
        idempotency_key: Option<String>,
        delay: Option<String>,
        r#as: Option<String>,
    }
}
step! {
    Skip { skip: String, }
}
step! {
    /// An awakeable by its id, or the one of an invocation: at an index, in a line of its log, or the only one that is
    /// open.
    Resolve {
        resolve: String,
        index: Option<u32>,
        log: Option<String>,
        #[serde(default, deserialize_with = "present")]
        value: Option<Value>,
    }
}
step! {
    Reject {
        reject: String,
        index: Option<u32>,
        log: Option<String>,
        reason: Option<String>,
        failure: Option<FailureDef>,
    }
}
step! {
    Signal {
        signal: String,
        to: String,
        #[serde(default, deserialize_with = "present")]
        value: Option<Value>,
        failure: Option<FailureDef>,
    }
}
step! {
    /// Of a workflow's key, as `Workflow/key`.
    Promise {
        promise: String,
        of: String,
        #[serde(default, deserialize_with = "present")]
        value: Option<Value>,
        failure: Option<FailureDef>,
    }
}
step! {
    Cancel { cancel: String, }
}
step! {
    Kill { kill: String, }
}
step! {
    Pause { pause: String, }
}
step! {
    Resume {
        resume: String,
        #[serde(default)]
        deployment: OnDeployment,
    }
}
step! {
    Purge { purge: String, }
}
step! {
    /// The attempt of a target ends with a retryable error after its entry `at`.
    Fail { fail: String, at: u32, message: Option<String>, }
}
step! {
    /// The process dies: at once (`true`), or after entry `at` of a target.
    Crash { crash: Value, at: Option<u32>, }
}
step! {
    /// From now on attempts of an effect get these answers.
    Answer { answer: String, with: Vec<Value>, }
}
step! {
    /// Looks at an invocation; waits for it when a result is expected.
    Expect {
        expect: String,
        #[serde(default, deserialize_with = "present")]
        result: Option<Value>,
        failure: Option<Value>,
        status: Option<String>,
        reason: Option<String>,
        journal: Option<Vec<Value>>,
        logs: Option<Vec<String>>,
    }
}
step! {
    /// Looks at the state of a key, as `Object/key`.
    State {
        state: String,
        #[serde(default, deserialize_with = "present")]
        is: Option<Value>,
    }
}
step! {
    /// Looks at what an effect was asked for.
    Effect { effect: String, count: Option<usize>, inputs: Option<Vec<Value>>, }
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OnDeployment {
    #[default]
    Keep,
    Latest,
}

fn yes() -> bool {
    true
}

const VERBS: [&str; 19] = [
    "deploy", "invoke", "send", "skip", "resolve", "reject", "signal", "promise", "cancel", "kill", "pause",
    "resume", "purge", "fail", "crash", "answer", "expect", "state", "effect",
];

impl Step {
    pub fn parse(value: &Value) -> Result<Self, String> {
        Ok(match verb(value)? {
            "deploy" => Self::Deploy(read(value)?),
            "invoke" => Self::Invoke(read(value)?),
            "send" => Self::Send(read(value)?),
            "skip" => Self::Skip(read(value)?),
            "resolve" => Self::Resolve(read(value)?),
            "reject" => Self::Reject(read(value)?),
            "signal" => Self::Signal(read(value)?),
            "promise" => Self::Promise(read(value)?),
            "cancel" => Self::Cancel(read(value)?),
            "kill" => Self::Kill(read(value)?),
            "pause" => Self::Pause(read(value)?),
            "resume" => Self::Resume(read(value)?),
            "purge" => Self::Purge(read(value)?),
            "fail" => Self::Fail(read(value)?),
            "crash" => Self::Crash(read(value)?),
            "answer" => Self::Answer(read(value)?),
            "expect" => Self::Expect(read(value)?),
            "state" => Self::State(read(value)?),
            _ => Self::Effect(read(value)?),
        })
    }

    /// A step as a report names it.
    pub fn title(value: &Value) -> String {
        match verb(value) {
            Ok(verb) => match &value[verb] {
                Value::String(text) => format!("{verb} {text}"),
                other => format!("{verb} {other}"),
            },
            Err(_) => "a step".to_owned(),
        }
    }
}

fn verb(value: &Value) -> Result<&'static str, String> {
    let Value::Object(fields) = value else { return Err(format!("a step is a table, not {value}")) };
    let verbs: Vec<&'static str> = VERBS.into_iter().filter(|verb| fields.contains_key(*verb)).collect();
    match verbs[..] {
        [verb] => Ok(verb),
        [] => {
            let names: Vec<&str> = fields.keys().map(String::as_str).collect();
            Err(format!("a step needs one of {}; this one has `{}`", VERBS.join(", "), names.join("`, `")))
        }
        [first, second, ..] => Err(format!("a step does one thing; this one has `{first}` and `{second}`")),
    }
}

fn read<T: DeserializeOwned>(value: &Value) -> Result<T, String> {
    serde_json::from_value(value.clone()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_verb_is_read() {
        for step in [
            json!({"deploy": "a.wasm", "allow-http": ["x"]}),
            json!({"invoke": "S/h", "body": null, "headers": {"a": "b"}, "idempotency-key": "k", "as": "a",
                "save": "b", "wait": false, "result": null}),
            json!({"send": "S/h", "text": "t", "delay": "1s"}),
            json!({"skip": "1s"}),
            json!({"resolve": "a", "index": 1, "value": 1}),
            json!({"reject": "a", "log": "ask", "reason": "no"}),
            json!({"signal": "go", "to": "a", "value": 1}),
            json!({"promise": "gate", "of": "W/k", "failure": {"message": "no"}}),
            json!({"cancel": "a"}),
            json!({"kill": "a"}),
            json!({"pause": "a"}),
            json!({"resume": "a", "deployment": "latest"}),
            json!({"purge": "a"}),
            json!({"fail": "S/h", "at": 1}),
            json!({"crash": true}),
            json!({"answer": "e", "with": [{"ok": 1}]}),
            json!({"expect": "a", "status": "suspended", "journal": ["..."], "logs": []}),
            json!({"state": "O/k", "is": {}}),
            json!({"effect": "e", "count": 1, "inputs": []}),
        ] {
            Step::parse(&step).unwrap_or_else(|error| panic!("{step}: {error}"));
        }
    }

    #[test]
    fn what_is_wrong_with_a_step_is_named() {
        for (step, part) in [
            (json!([]), "a step is a table"),
            (json!({"invok": "S/h"}), "this one has `invok`"),
            (json!({"invoke": "S/h", "skip": "1s"}), "`invoke` and `skip`"),
            (json!({"invoke": "S/h", "delay": "1s"}), "delay"),
            (json!({"fail": "S/h"}), "at"),
        ] {
            let error = Step::parse(&step).err().unwrap_or_else(|| panic!("{step} is a step"));
            assert!(error.contains(part), "{error}");
        }
    }
}
