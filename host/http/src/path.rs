//! Paths and queries of requests: segments, percent-encoding, parameters.

use std::borrow::Cow;

/// More segments than any route has.
const SEGMENTS_MAX: usize = 10;

/// The segments of a path, still encoded; slashes at the end are ignored.
#[derive(Clone, Copy, Debug)]
pub struct Segments<'p> {
    items: [&'p str; SEGMENTS_MAX],
    count: usize,
}

impl<'p> Segments<'p> {
    /// `None` when there are more than any route has.
    pub fn new(path: &'p str) -> Option<Self> {
        let path = path.strip_prefix('/').unwrap_or(path).trim_end_matches('/');
        let mut segments = Self { items: [""; SEGMENTS_MAX], count: 0 };
        if path.is_empty() {
            return Some(segments);
        }
        for segment in path.split('/') {
            *segments.items.get_mut(segments.count)? = segment;
            segments.count += 1;
        }
        Some(segments)
    }

    pub fn as_slice(&self) -> &[&'p str] {
        &self.items[..self.count]
    }
}

/// Undoes percent-encoding; `None` when it is broken or does not give UTF-8.
pub fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            u8::try_from(digit()? * 16 + digit()?).expect("two hexadecimal digits fit a byte")
        } else {
            byte
        });
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// The parameters of a query in order, decoded; a `+` is a space. An item is `None` where the encoding is broken.
pub fn parameters(query: Option<&str>) -> impl Iterator<Item = Option<(String, String)>> {
    query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let text = |part: &str| decode(&part.replace('+', " ")).map(Cow::into_owned);
        Some((text(name)?, text(value)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_at_the_end_do_not_count() {
        for (path, expected) in [
            ("/", &[][..]),
            ("///", &[]),
            ("/a/b", &["a", "b"]),
            ("/a/b//", &["a", "b"]),
            ("/a//b", &["a", "", "b"]),
            ("/a/%2F/b", &["a", "%2F", "b"]),
        ] {
            assert_eq!(Segments::new(path).expect("few segments").as_slice(), expected, "{path}");
        }
        assert!(Segments::new(&"/a".repeat(SEGMENTS_MAX)).is_some());
        assert!(Segments::new(&"/a".repeat(SEGMENTS_MAX + 1)).is_none());
    }

    #[test]
    fn percent_encoding_is_undone_or_refused() {
        assert_eq!(decode("plain"), Some("plain".into()));
        assert_eq!(decode("a%20b%2Fc%C3%A9"), Some("a b/cé".into()));
        assert_eq!(decode("a+b"), Some("a+b".into()));
        for broken in ["%", "%2", "%zz", "%ff", "%C3", "%+1"] {
            assert_eq!(decode(broken), None, "{broken}");
        }
    }

    #[test]
    fn parameters_keep_their_order_and_repeat() {
        let all = |query| parameters(query).collect::<Option<Vec<_>>>();
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(all(None), Some(vec![]));
        assert_eq!(
            all(Some("a=1+day&&b=x%3Dy&a=&flag")),
            Some(vec![pair("a", "1 day"), pair("b", "x=y"), pair("a", ""), pair("flag", "")])
        );
        assert_eq!(all(Some("a=1&b=%")), None);
    }
}
