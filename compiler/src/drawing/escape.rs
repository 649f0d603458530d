//! Names from a user's file as text that is safe to write: in a terminal, in XML, in Graphviz' language.

/// A name with what cannot be seen, or would move or reorder other text, written out, and at most `width` columns wide.
pub(crate) fn shown(name: &str, width: usize) -> String {
    shorten(&visible(name), width)
}

/// A name in full, with what cannot be seen, or would move or reorder other text, written out.
pub(crate) fn visible(name: &str) -> String {
    if name.is_empty() {
        return "(no name)".to_owned();
    }
    written_out(name, |_| false)
}

/// Text of any number of lines with what cannot be seen, or would move or reorder other text, written out.
pub(crate) fn lines(text: &str) -> String {
    written_out(text, |character| character == '\n')
}

fn written_out(text: &str, kept: impl Fn(char) -> bool) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if is_hidden(character) && !kept(character) {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
    }
    safe
}

/// Controls, marks that join or reorder text, and what XML does not allow.
fn is_hidden(character: char) -> bool {
    let code = u32::from(character);
    character.is_control()
        || code & 0xfffe == 0xfffe
        || matches!(code, 0xad | 0x61c | 0x180e | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f)
        || matches!(code, 0xfdd0..=0xfdef | 0xfeff | 0xfff9..=0xfffb | 0xe_0000..=0xe_0fff)
}

/// The columns that a text takes: two for what may be wide.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().map(column).sum()
}

fn column(character: char) -> usize {
    if u32::from(character) < 0x1100 || matches!(character, '…' | '→' | '—') { 1 } else { 2 }
}

/// A text of at most `width` columns: what is too much in the middle makes room for `…`.
pub(crate) fn shorten(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(1);
    let front = within(text.chars(), room.div_ceil(2));
    let back: Vec<char> = within(text.chars().rev(), room / 2).chars().rev().collect();
    let mut short = front;
    short.push('…');
    short.extend(back);
    short
}

fn within(characters: impl Iterator<Item = char>, room: usize) -> String {
    let mut taken = 0;
    let fits = |character: &char| {
        taken += column(*character);
        taken <= room
    };
    characters.take_while(fits).collect()
}

/// Text as content or attribute of XML and HTML.
pub(crate) fn xml(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

/// Text as a quoted string of Graphviz' language that is shown as it is.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_written_out() {
        assert_eq!(visible("a\n\u{1b}[31mb\u{202e}c\u{ffff}é"), "a\\n\\u{1b}[31mb\\u{202e}c\\u{ffff}é");
        assert_eq!(visible(""), "(no name)");
        assert_eq!(lines("a\n\u{1b}[31mb\r\n"), "a\n\\u{1b}[31mb\\r\n");
    }

    #[test]
    fn long_names_lose_their_middle() {
        assert_eq!(shorten("abcdefghij", 10), "abcdefghij");
        assert_eq!(shorten("abcdefghijk", 10), "abcde…hijk");
        assert_eq!(shorten("層層層層層層", 7), "層…層");
        assert!(columns(&shorten(&"層".repeat(50), 20)) <= 20);
        assert_eq!(shorten("ab", 1), "…");
        assert_eq!(shorten("ab", 0), "…");
    }

    #[test]
    fn markup_becomes_text() {
        assert_eq!(xml("<script>'\"&amp;"), "&lt;script&gt;&#39;&quot;&amp;amp;");
        assert_eq!(quoted("a\"b\\n"), "\"a\\\"b\\\\n\"");
    }
}
