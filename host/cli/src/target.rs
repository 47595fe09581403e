//! What a user names on the command line: an invocation target, or a selection of invocations.

use std::{convert::Infallible, str::FromStr};

use crate::client::segment;

/// `Svc/handler` or `Obj/key/handler`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub service: String,
    pub key: Option<String>,
    pub handler: String,
}

impl FromStr for Target {
    type Err = String;

    /// A key may contain slashes: the first segment is the service, the last one the handler.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is neither Service/handler nor Object/key/handler");
        let (service, rest) = text.split_once('/').ok_or_else(wrong)?;
        let (key, handler) = match rest.rsplit_once('/') {
            Some((key, handler)) => (Some(key.to_owned()), handler),
            None => (None, rest),
        };
        if service.is_empty() || handler.is_empty() || key.as_ref().is_some_and(String::is_empty) {
            return Err(wrong());
        }
        Ok(Self { service: service.to_owned(), key, handler: handler.to_owned() })
    }
}

impl Target {
    /// Path at the ingress, without a leading slash.
    pub fn path(&self) -> String {
        let mut parts = vec![segment(&self.service)];
        parts.extend(self.key.as_deref().map(segment));
        parts.push(segment(&self.handler));
        parts.join("/")
    }
}

/// Invocations that a verb is applied to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// Whatever the filters select; never parsed.
    All,
    /// `inv_1…`.
    Id(String),
    /// `Svc`.
    Service(String),
    /// `Svc/handler` or `Obj/key`, told apart by the kind of the service.
    Two(String, String),
    /// `Obj/key/handler`.
    Target(Target),
}

impl FromStr for Selector {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        if text.starts_with("inv_") {
            return Ok(Self::Id(text.to_owned()));
        }
        Ok(match text.parse() {
            Ok(Target { service, key: None, handler }) => Self::Two(service, handler),
            Ok(target) => Self::Target(target),
            Err(_) => Self::Service(text.trim_end_matches('/').to_owned()),
        })
    }
}

/// An invocation whose result is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// `inv_1…`.
    Id(String),
    /// `Workflow/key`: the key's run.
    Workflow(String, String),
}

impl FromStr for Reference {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((service, key)) if !service.is_empty() && !key.is_empty() => {
                Ok(Self::Workflow(service.to_owned(), key.to_owned()))
            }
            None if text.starts_with("inv_") => Ok(Self::Id(text.to_owned())),
            _ => Err(format!("`{text}` is neither an invocation's id nor Workflow/key")),
        }
    }
}

impl Reference {
    /// Path at the ingress; `verb`: attach or output.
    pub fn path(&self, verb: &str) -> String {
        match self {
            Self::Id(id) => format!("/relight/{verb}/{}", segment(id)),
            Self::Workflow(service, key) => {
                format!("/relight/workflow/{}/{}/{verb}", segment(service), segment(key))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_have_two_or_more_segments() {
        let target: Target = "Greeter/greet".parse().expect("a target");
        assert_eq!((target.key.as_deref(), target.path().as_str()), (None, "Greeter/greet"));
        let target: Target = "Cart/a/b c/add".parse().expect("a target");
        assert_eq!((target.key.as_deref(), target.path().as_str()), (Some("a/b c"), "Cart/a%2Fb%20c/add"));
        for text in ["Greeter", "", "/x", "x/", "x//y"] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }

    #[test]
    fn references_are_ids_or_workflows() {
        let path = |text: &str| text.parse::<Reference>().expect("a reference").path("attach");
        assert_eq!(path("inv_1abc"), "/relight/attach/inv_1abc");
        assert_eq!(path("Signup/a/b"), "/relight/workflow/Signup/a%2Fb/attach");
        for text in ["", "Signup", "Signup/", "/a"] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
    }

    #[test]
    fn selectors_are_told_apart() {
        let parse = |text: &str| text.parse::<Selector>().expect("infallible");
        assert_eq!(parse("inv_1abc"), Selector::Id("inv_1abc".to_owned()));
        assert_eq!(parse("Cart"), Selector::Service("Cart".to_owned()));
        assert_eq!(parse("Cart/a"), Selector::Two("Cart".to_owned(), "a".to_owned()));
        assert!(matches!(parse("Cart/a/add"), Selector::Target(_)));
    }
}
