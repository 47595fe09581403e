//! As much JSON as the example needs: the top-level fields of a flat object, and quoting.

/// The text under `name`.
pub fn text(object: &str, name: &str) -> Option<String> {
    let rest = value(object, name)?.strip_prefix('"')?;
    unquote(rest).map(|(text, _)| text)
}

/// The whole number under `name`.
pub fn number(object: &str, name: &str) -> Option<u64> {
    let rest = value(object, name)?;
    let end = rest.find(|char: char| !char.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// A text as JSON.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            char if char < ' ' => quoted.push_str(&format!("\\u{:04x}", u32::from(char))),
            char => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}

/// What follows the colon after `name`, to the end of the object.
fn value<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = object.trim_start().strip_prefix('{')?;
    loop {
        let start = rest.find('"')?;
        let (text, after) = unquote(&rest[start + 1..])?;
        match after.trim_start().strip_prefix(':') {
            Some(value) if text == name => return Some(value.trim_start()),
            _ => rest = after,
        }
    }
}

/// The text up to the closing quote, and what follows it.
fn unquote(rest: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut chars = rest.char_indices();
    while let Some((index, char)) = chars.next() {
        match char {
            '"' => return Some((text, &rest[index + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                'r' => text.push('\r'),
                'b' => text.push('\u{8}'),
                'f' => text.push('\u{c}'),
                'u' => {
                    let digits: String = chars.by_ref().take(4).map(|(_, char)| char).collect();
                    text.push(char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?);
                }
                other => text.push(other),
            },
            char => text.push(char),
        }
    }
    None
}
