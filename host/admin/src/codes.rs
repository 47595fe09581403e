//! Every code of the admin API, and the page that explains it.
//!
//! Codes of uploads (`RL01..`) belong to the executor, which finds what is wrong; they pass through here as texts.

/// What went wrong, for machines. A number is never used again for something else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Code {
    BadRequest,
    NoSuchPath,
    WrongMethod,
    BodyTooLarge,
    BodyTooSlow,
    NoLeader,
    Unknown,
    Overloaded,
    ShuttingDown,
    Internal,
    RequestExpired,
    HeadersTooLarge,
    BadConfiguration,
    UnknownDeployment,
    KindChanged,
    Breaking,
    UnknownService,
    UnknownHandler,
    ComponentUnreadable,
    BadServiceConfiguration,
    UnknownRevision,
    NoEarlierRevision,
    DeploymentInUse,
    DeploymentBeingRemoved,
    BadInvocationId,
    UnknownInvocation,
    AlreadyCompleted,
    BadFilter,
    NotStarted,
    NotCompleted,
    OtherDeployment,
    BadBatch,
    NotRestartable,
    Diverges,
    JournalChanged,
    JournalGone,
}

impl Code {
    pub const ALL: [(Self, &'static str); 36] = [
        (Self::BadRequest, "RL0001"),
        (Self::NoSuchPath, "RL0002"),
        (Self::WrongMethod, "RL0003"),
        (Self::BodyTooLarge, "RL0004"),
        (Self::BodyTooSlow, "RL0005"),
        (Self::NoLeader, "RL0006"),
        (Self::Unknown, "RL0007"),
        (Self::Overloaded, "RL0008"),
        (Self::ShuttingDown, "RL0009"),
        (Self::Internal, "RL0010"),
        (Self::RequestExpired, "RL0011"),
        (Self::HeadersTooLarge, "RL0012"),
        (Self::BadConfiguration, "RL0201"),
        (Self::UnknownDeployment, "RL0202"),
        (Self::KindChanged, "RL0203"),
        (Self::Breaking, "RL0204"),
        (Self::UnknownService, "RL0205"),
        (Self::UnknownHandler, "RL0206"),
        (Self::ComponentUnreadable, "RL0207"),
        (Self::BadServiceConfiguration, "RL0208"),
        (Self::UnknownRevision, "RL0209"),
        (Self::NoEarlierRevision, "RL0210"),
        (Self::DeploymentInUse, "RL0211"),
        (Self::DeploymentBeingRemoved, "RL0212"),
        (Self::BadInvocationId, "RL0301"),
        (Self::UnknownInvocation, "RL0302"),
        (Self::AlreadyCompleted, "RL0303"),
        (Self::BadFilter, "RL0304"),
        (Self::NotStarted, "RL0305"),
        (Self::NotCompleted, "RL0306"),
        (Self::OtherDeployment, "RL0307"),
        (Self::BadBatch, "RL0308"),
        (Self::NotRestartable, "RL0309"),
        (Self::Diverges, "RL0320"),
        (Self::JournalChanged, "RL0321"),
        (Self::JournalGone, "RL0322"),
    ];

    pub fn text(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// All pages, each under a heading `## RL0123: …`.
const PAGES: &str = include_str!("../../../docs/errors.md");

/// The page of one code, heading included; `None` for a code that does not exist.
pub fn explain(code: &str) -> Option<&'static str> {
    pages().find(|(known, _)| known.eq_ignore_ascii_case(code)).map(|(_, page)| page)
}

/// Codes and pages in the order of the document.
fn pages() -> impl Iterator<Item = (&'static str, &'static str)> {
    const HEADING: &str = "\n## RL";
    PAGES.match_indices(HEADING).map(|(start, _)| {
        let start = start + 1;
        let page = &PAGES[start..];
        // The next heading of the same or a higher level ends it.
        let end = page[1..]
            .match_indices("\n#")
            .map(|(end, _)| end + 1)
            .find(|end| !page[*end..].starts_with("\n###"));
        let code = page["## ".len()..].split(':').next().unwrap_or_default();
        (code, page[..end.unwrap_or(page.len())].trim_end())
    })
}

#[cfg(test)]
mod tests {
    use relight_executor::UploadError;

    use super::*;

    /// One error of each kind. The `match` fails to compile when there is a new kind: add it to the list.
    fn upload_codes() -> Vec<&'static str> {
        let text = String::new;
        let errors = [
            UploadError::TooLarge { bytes: 1, bytes_max: 0 },
            UploadError::NotWasm { reason: text() },
            UploadError::CoreModule,
            UploadError::Invalid { message: text(), offset: 0 },
            UploadError::Truncated { message: text(), offset: 0 },
            UploadError::MissingExport { name: text() },
            UploadError::Unsupported { what: text() },
            UploadError::UnknownImport { name: text() },
            UploadError::Types { message: text() },
            UploadError::Resources { what: "", needed: 1, max: 0 },
            UploadError::Compile { message: text() },
            UploadError::CompileLimit { limit: text() },
            UploadError::Describe { message: text() },
            UploadError::Manifest { problem: text() },
            UploadError::TooMuchMemory { bytes: 1, bytes_max: 0 },
            UploadError::Host { message: text() },
            UploadError::Wasi { name: text() },
        ];
        match errors[0] {
            UploadError::TooLarge { .. }
            | UploadError::NotWasm { .. }
            | UploadError::CoreModule
            | UploadError::Invalid { .. }
            | UploadError::Truncated { .. }
            | UploadError::MissingExport { .. }
            | UploadError::Unsupported { .. }
            | UploadError::UnknownImport { .. }
            | UploadError::Types { .. }
            | UploadError::Resources { .. }
            | UploadError::Compile { .. }
            | UploadError::CompileLimit { .. }
            | UploadError::Describe { .. }
            | UploadError::Manifest { .. }
            | UploadError::TooMuchMemory { .. }
            | UploadError::Host { .. }
            | UploadError::Wasi { .. } => {}
        }
        errors.iter().map(UploadError::code).collect()
    }

    #[test]
    fn codes_are_in_the_order_of_their_variants() {
        for (index, (code, text)) in Code::ALL.iter().enumerate() {
            assert_eq!(*code as usize, index);
            assert_eq!(code.text(), *text);
        }
        assert!(Code::ALL.is_sorted_by(|(_, a), (_, b)| a < b));
    }

    #[test]
    fn every_code_has_a_page_with_cause_and_remedy_and_no_page_is_left_over() {
        let documented: Vec<&str> = pages().map(|(code, _)| code).collect();
        let mut known: Vec<&str> = Code::ALL.iter().map(|(_, text)| *text).collect();
        known.extend(upload_codes());
        known.sort_unstable();
        assert_eq!(documented, known);
        for (code, page) in pages() {
            assert!(page.contains("**Cause.**"), "{code}: {page}");
            assert!(page.contains("**Remedy.**"), "{code}: {page}");
        }
    }

    #[test]
    fn a_page_is_found_by_its_code() {
        let page = explain("rl0302").expect("a documented code");
        assert!(page.starts_with("## RL0302: "), "{page}");
        assert_eq!(page.matches("## RL").count(), 1);
        assert_eq!(explain("RL9999"), None);
    }
}
