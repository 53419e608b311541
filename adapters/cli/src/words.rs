//! How things are put for people: spans, holders, texts that may contain anything.

use std::time::Duration;

use pglock_tokio::Holder;

/// Whole seconds from one second on, else milliseconds.
pub(crate) fn span(span: Duration) -> String {
    let rounded = if span < Duration::from_secs(1) {
        Duration::from_millis(u64::try_from(span.as_millis()).unwrap_or(0))
    } else {
        Duration::from_secs(span.as_secs())
    };
    humantime::format_duration(rounded).to_string()
}

/// Seconds and hundredths, for what was measured.
pub(crate) fn seconds(span: Duration) -> String {
    format!("{:.2} s", span.as_secs_f64())
}

/// The owner, as far as it is known, with the fencing token.
pub(crate) fn holder(holder: &Holder) -> String {
    let owner = owner(holder.owner.as_deref());
    match holder.token {
        Some(token) => format!("{owner} (token {token})"),
        None => owner,
    }
}

/// A label that is fit to be printed; some leave none.
pub(crate) fn owner(owner: Option<&str>) -> String {
    match owner {
        Some(owner) if !owner.is_empty() => printable(owner),
        Some(_) | None => "somebody without a label".into(),
    }
}

/// Without characters that would move the cursor or break the line.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let escaped = c.is_control().then(|| c.escape_default());
            let plain = escaped.is_none().then_some(c);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}

/// Data as text if it is text, else as PostgreSQL writes bytes.
pub(crate) fn data(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => printable(text),
        Err(_) => bytes.iter().fold("\\x".into(), |text, byte| format!("{text}{byte:02x}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_short() {
        assert_eq!(span(Duration::from_micros(1_500)), "1ms");
        assert_eq!(span(Duration::from_millis(65_900)), "1m 5s");
        assert_eq!(seconds(Duration::from_millis(2_340)), "2.34 s");
    }

    #[test]
    fn nothing_moves_the_cursor() {
        assert_eq!(printable("a\x1b[2Jb\nc ключ"), "a\\u{1b}[2Jb\\nc ключ");
        assert_eq!(data(&[0xff, 0x01]), "\\xff01");
        assert_eq!(data(b"paying"), "paying");
        assert_eq!(owner(Some("")), owner(None));
    }
}
