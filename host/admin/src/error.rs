//! Errors of the admin API and the one place where they become HTTP.

use hyper::{
    StatusCode,
    header::{self, HeaderValue},
};
use relight_core::{action::Refusal, restart::NotRestartable};
use relight_executor::ReplayError;
use relight_http::{Response, body::BodyError, respond};
use relight_partition::DoorError;
use relight_storage::blobs::BlobError;

use crate::{
    codes::Code,
    types::{Divergence, ErrorBody},
};

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Error {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    pub(crate) at: Option<u64>,
    /// Boxed: nearly no error has one.
    pub(crate) divergence: Option<Box<Divergence>>,
    pub(crate) allow: Option<&'static str>,
}

pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn new(status: StatusCode, code: Code, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.text(),
            message: message.into(),
            hint: None,
            at: None,
            divergence: None,
            allow: None,
        }
    }

    pub(crate) fn bad(code: Code, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(crate) fn not_found(code: Code, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, message)
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    pub(crate) fn body(&self) -> ErrorBody {
        ErrorBody {
            message: self.message.clone(),
            code: self.code.to_owned(),
            hint: self.hint.clone(),
            at: self.at,
            divergence: self.divergence.as_deref().cloned(),
        }
    }

    pub(crate) fn allow(allow: &'static str) -> Self {
        let message = format!("wrong method: this path takes {allow}");
        Self { allow: Some(allow), ..Self::new(StatusCode::METHOD_NOT_ALLOWED, Code::WrongMethod, message) }
    }
}

impl From<Error> for Response {
    fn from(error: Error) -> Self {
        let mut response = respond::json(error.status, &error.body());
        if let Some(allow) = error.allow {
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        if error.status == StatusCode::TOO_MANY_REQUESTS {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// Everything an admin does may be done twice, so each message says that a retry is safe.
impl From<DoorError> for Error {
    fn from(error: DoorError) -> Self {
        let unavailable = |code, message: &str| {
            Self::new(StatusCode::SERVICE_UNAVAILABLE, code, format!("{message}; it is safe to retry"))
        };
        match error {
            DoorError::NoLeader => unavailable(Code::NoLeader, "no leader for a partition; nothing was done"),
            DoorError::Unknown => unavailable(Code::Unknown, "the log did not answer; it may have been done"),
            DoorError::ShuttingDown => unavailable(Code::ShuttingDown, "the server is shutting down"),
            DoorError::Overloaded => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                Code::Overloaded,
                "too many requests in flight; nothing was done, it is safe to retry",
            ),
            DoorError::Failed(message) => Self::internal(message),
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            Refusal::UnknownInvocation(_) | Refusal::UnknownAwakeable { .. } => {
                Self::not_found(Code::UnknownInvocation, message)
            }
            Refusal::UnknownTarget(_) => Self::not_found(Code::UnknownService, message),
            Refusal::AlreadyCompleted(_) => Self::new(StatusCode::CONFLICT, Code::AlreadyCompleted, message),
            Refusal::NotStarted(_) => Self::new(StatusCode::CONFLICT, Code::NotStarted, message),
            Refusal::NotCompleted(_) => Self::new(StatusCode::CONFLICT, Code::NotCompleted, message),
            Refusal::UnknownDeployment(_) => Self::new(StatusCode::CONFLICT, Code::OtherDeployment, message)
                .hint("`relight dp list` shows which services a deployment has"),
            Refusal::JournalChanged(_) => Self::new(StatusCode::CONFLICT, Code::JournalChanged, message),
            Refusal::NotRestartable { why: NotRestartable::JournalGone, .. } => {
                Self::new(StatusCode::GONE, Code::JournalGone, message)
            }
            Refusal::NotRestartable { .. } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, Code::NotRestartable, message)
            }
            Refusal::RequestExpired => {
                let message =
                    format!("{message}; it may have been carried out, so look before you do it again");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::RequestExpired, message)
            }
            // Of commands that this door does not send.
            Refusal::PayloadDiffers(_)
            | Refusal::PromiseCompleted { .. }
            | Refusal::NotAWorkflow(_)
            | Refusal::TooManySignals(_) => Self::bad(Code::BadRequest, message),
            Refusal::UnknownService(_) => Self::not_found(Code::UnknownService, message),
            Refusal::UnknownRevision { .. } => Self::not_found(Code::UnknownRevision, message)
                .hint("`relight services revisions` lists those that can be used"),
            Refusal::NoEarlierRevision(_) => {
                Self::new(StatusCode::CONFLICT, Code::NoEarlierRevision, message)
            }
            Refusal::NoSuchDeployment(_) => Self::not_found(Code::UnknownDeployment, message),
            Refusal::BeingRemoved(_) => {
                Self::new(StatusCode::CONFLICT, Code::DeploymentBeingRemoved, message)
                    .hint("name another deployment, or upload its component again")
            }
            Refusal::NotBeingRemoved(_) => Self::new(
                StatusCode::CONFLICT,
                Code::DeploymentInUse,
                format!("{message}: it was deployed again"),
            ),
            Refusal::LatestOf { .. } => Self::new(StatusCode::CONFLICT, Code::DeploymentInUse, message).hint(
                "deploy another component or roll back first; `force=true` removes these services with it",
            ),
            Refusal::Pinned(_) => Self::new(StatusCode::CONFLICT, Code::DeploymentInUse, message),
            Refusal::KindChanged { .. } => Self::new(StatusCode::CONFLICT, Code::KindChanged, message)
                .hint("give the service another name"),
        }
    }
}

impl From<BodyError> for Error {
    fn from(error: BodyError) -> Self {
        let (status, code) = match error {
            BodyError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, Code::BodyTooLarge),
            BodyError::TooSlow => (StatusCode::REQUEST_TIMEOUT, Code::BodyTooSlow),
            BodyError::Broken(_) => (StatusCode::BAD_REQUEST, Code::BadRequest),
        };
        Self::new(status, code, error.to_string())
    }
}

impl From<BlobError> for Error {
    fn from(error: BlobError) -> Self {
        let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
        let message = format!("{error}{}", source.unwrap_or_default());
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, Code::ComponentUnreadable, message)
    }
}

impl From<ReplayError> for Error {
    fn from(error: ReplayError) -> Self {
        let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
        let message = format!("{error}{}", source.unwrap_or_default());
        let code = match error {
            ReplayError::Load(_) => Code::ComponentUnreadable,
            ReplayError::Describe(_) | ReplayError::Damaged(_) | ReplayError::Host(_) => Code::Internal,
        };
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, code, message)
    }
}

impl From<relight_core::tables::TablesError> for Error {
    fn from(error: relight_core::tables::TablesError) -> Self {
        Self::internal(error.to_string())
    }
}
