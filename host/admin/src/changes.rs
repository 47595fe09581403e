//! What a new revision of a service changes for those who call it.

use relight_core::{
    Handler, Service, ServiceKind,
    schema::{Options, PayloadDef, Policies},
};

use crate::{
    services::{duration, mode_name, retry_policy},
    types::ChangeMetadata,
};

/// Differences between the latest revision of a service, if there is one, and a new one.
pub(crate) fn changes(old: Option<&Service>, new: &Service, defaults: &Options) -> Vec<ChangeMetadata> {
    let mut changes = Changes { service: &new.name, handler: None, found: Vec::new() };
    let Some(old) = old else {
        changes.add("added", false, format!("service `{}` is new", new.name));
        return changes.found;
    };
    for before in &old.handlers {
        changes.handler = Some(&before.name);
        match new.handler(&before.name) {
            Some(after) => {
                if new.kind != ServiceKind::Service && before.mode != after.mode {
                    let (was, is) = (mode_name(before.mode), mode_name(after.mode));
                    changes.changed(true, format!("is now {is}, it was {was}"));
                }
                let (was, is) = (old.policies(before, defaults), new.policies(after, defaults));
                changes.payloads(before, after);
                changes.policies(&was, &is);
            }
            None => changes.add("removed", true, format!("{} is removed", changes.name())),
        }
    }
    for handler in new.handlers.iter().filter(|handler| old.handler(&handler.name).is_none()) {
        changes.handler = Some(&handler.name);
        changes.add("added", false, format!("{} is new", changes.name()));
    }
    changes.found
}

struct Changes<'a> {
    service: &'a str,
    /// The one that is looked at.
    handler: Option<&'a str>,
    found: Vec<ChangeMetadata>,
}

impl Changes<'_> {
    fn name(&self) -> String {
        format!("handler `{}` of `{}`", self.handler.unwrap_or_default(), self.service)
    }

    fn add(&mut self, kind: &str, breaking: bool, message: String) {
        let (service, handler) = (self.service.to_owned(), self.handler.map(str::to_owned));
        self.found.push(ChangeMetadata { service, handler, kind: kind.to_owned(), breaking, message });
    }

    fn changed(&mut self, breaking: bool, what: impl AsRef<str>) {
        self.add("changed", breaking, format!("{} {}", self.name(), what.as_ref()));
    }

    fn payloads(&mut self, before: &Handler, after: &Handler) {
        let (was, is) = (&before.input, &after.input);
        match (was.required, is.required) {
            (false, true) => self.changed(true, "needs a body now"),
            (true, false) => self.changed(false, "needs no body any more"),
            (true, true) | (false, false) => {}
        }
        if was.content_type != is.content_type {
            let (is_text, was_text) = (content_type(is), content_type(was));
            // Whoever sends anything else than what is declared is refused.
            self.changed(is.content_type.is_some(), format!("takes {is_text} now, it took {was_text}"));
        }
        if was.json_schema != is.json_schema {
            self.changed(false, "has another JSON schema for what it takes");
        }
        let (was, is) = (&before.output, &after.output);
        if was.content_type != is.content_type {
            self.changed(false, format!("gives {} now, it gave {}", content_type(is), content_type(was)));
        }
        if was.json_schema != is.json_schema {
            self.changed(false, "has another JSON schema for what it gives");
        }
    }

    fn policies(&mut self, was: &Policies, is: &Policies) {
        match (was.public, is.public) {
            (true, false) => self.changed(true, "is now private"),
            (false, true) => self.changed(false, "is now public"),
            (true, true) | (false, false) => {}
        }
        let optional = |value: Option<_>| value.map_or_else(|| "adaptive".to_owned(), duration);
        for (name, was, is) in [
            (
                "an idempotency retention",
                duration(was.idempotency_retention),
                duration(is.idempotency_retention),
            ),
            ("a journal retention", duration(was.journal_retention), duration(is.journal_retention)),
            ("an inactivity timeout", optional(was.inactivity_timeout), optional(is.inactivity_timeout)),
            ("an abort timeout", duration(was.abort_timeout), duration(is.abort_timeout)),
        ] {
            if was != is {
                self.changed(false, format!("has {name} of {is} now, it was {was}"));
            }
        }
        if was.retry != is.retry {
            let attempts = |policy| match retry_policy(policy).max_attempts {
                Some(attempts) => format!("{attempts} attempts"),
                None => "any number of attempts".to_owned(),
            };
            let (is, was) = (attempts(&is.retry), attempts(&was.retry));
            self.changed(false, format!("has another retry policy: {is}, it was {was}"));
        }
    }
}

fn content_type(payload: &PayloadDef) -> String {
    payload.content_type.as_ref().map_or_else(|| "any content type".to_owned(), |text| format!("`{text}`"))
}

#[cfg(test)]
mod tests {
    use relight_core::{DeploymentId, DurationMs, HandlerMode, Revision};

    use super::*;

    fn a_handler(name: &str, mode: HandlerMode) -> Handler {
        Handler {
            name: name.into(),
            mode,
            input: PayloadDef::default(),
            output: PayloadDef::default(),
            documentation: None,
            options: Options::default(),
            metadata: Vec::new(),
        }
    }

    fn cart(handlers: Vec<Handler>) -> Service {
        Service {
            name: "Cart".into(),
            kind: ServiceKind::VirtualObject,
            revision: Revision(2),
            deployment: DeploymentId(7),
            handlers,
            documentation: None,
            options: Options::default(),
            metadata: Vec::new(),
            overrides: Options::default(),
        }
    }

    fn told(old: &Service, new: &Service) -> Vec<(bool, String)> {
        let changes = changes(Some(old), new, &Options::default());
        changes.into_iter().map(|change| (change.breaking, change.message)).collect()
    }

    #[track_caller]
    fn check(old: &Service, new: &Service, expected: &[(bool, &str)]) {
        let expected: Vec<_> =
            expected.iter().map(|(breaking, text)| (*breaking, (*text).to_owned())).collect();
        assert_eq!(told(old, new), expected);
    }

    #[test]
    fn changes_that_break_callers_are_told_apart() {
        let old = cart(vec![
            a_handler("add", HandlerMode::Exclusive),
            a_handler("get", HandlerMode::Shared),
            a_handler("gone", HandlerMode::Shared),
            a_handler("hide", HandlerMode::Shared),
        ]);
        let mut hidden = a_handler("hide", HandlerMode::Shared);
        hidden.options.public = Some(false);
        let mut typed = a_handler("add", HandlerMode::Exclusive);
        typed.input.required = true;
        let new = cart(vec![
            typed,
            a_handler("get", HandlerMode::Exclusive),
            hidden,
            a_handler("new", HandlerMode::Shared),
        ]);
        check(
            &old,
            &new,
            &[
                (true, "handler `add` of `Cart` needs a body now"),
                (true, "handler `get` of `Cart` is now Exclusive, it was Shared"),
                (true, "handler `gone` of `Cart` is removed"),
                (true, "handler `hide` of `Cart` is now private"),
                (false, "handler `new` of `Cart` is new"),
            ],
        );
        assert_eq!(told(&old, &old), []);
        let first = changes(None, &old, &Options::default());
        assert_eq!((first[0].message.as_str(), first[0].kind.as_str()), ("service `Cart` is new", "added"));
    }

    #[test]
    fn payloads_and_policies_are_compared_as_they_hold() {
        let old = cart(vec![a_handler("add", HandlerMode::Exclusive)]);
        let mut add = a_handler("add", HandlerMode::Exclusive);
        add.input.content_type = Some("text/plain".to_owned());
        add.input.json_schema = Some("{}".to_owned());
        add.output.content_type = Some("text/plain".to_owned());
        add.options.journal_retention = Some(DurationMs::hours(1));
        add.options.idempotency_retention = Some(DurationMs::hours(2));
        let new = cart(vec![add]);
        check(
            &old,
            &new,
            &[
                (true, "handler `add` of `Cart` takes `text/plain` now, it took any content type"),
                (false, "handler `add` of `Cart` has another JSON schema for what it takes"),
                (false, "handler `add` of `Cart` gives `text/plain` now, it gave any content type"),
                (false, "handler `add` of `Cart` has an idempotency retention of 2h now, it was 24h"),
                (false, "handler `add` of `Cart` has a journal retention of 1h now, it was 24h"),
            ],
        );
        assert!(!told(&new, &old)[0].0, "whatever was sent is still taken");
        let mut patched = old.clone();
        patched.overrides.public = Some(false);
        check(&patched, &old, &[(false, "handler `add` of `Cart` is now public")]);
    }
}
