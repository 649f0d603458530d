//! A check of XML, for what is written as such.

/// Checks that a text is one element of XML, well-formed, and gives the names of its elements in order.
pub fn elements(xml: &str) -> Result<Vec<String>, String> {
    let (mut open, mut all) = (Vec::new(), Vec::new());
    let mut rest = xml.strip_prefix("<!DOCTYPE html>").unwrap_or(xml);
    if let Some(bad) = xml.chars().find(|c| c.is_control() && *c != '\n' || matches!(c, '\u{fffe}' | '\u{ffff}')) {
        return Err(format!("the character {bad:?}"));
    }
    while let Some((before, tag)) = rest.split_once('<') {
        entities(before)?;
        if open.is_empty() && !before.trim().is_empty() || before.contains("]]>") {
            return Err(format!("text where none may be: {before:?}"));
        }
        let (tag, after) = tag.split_once('>').ok_or("a tag without an end")?;
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop().as_deref() != Some(name) {
                return Err(format!("</{name}> closes another element"));
            }
            continue;
        }
        let (tag, is_empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric()) || open.is_empty() && !all.is_empty() {
            return Err(format!("the element {name:?}"));
        }
        self::attributes(attributes)?;
        all.push(name.to_owned());
        if !is_empty {
            open.push(name.to_owned());
        }
    }
    entities(rest)?;
    if open.is_empty() && rest.trim().is_empty() { Ok(all) } else { Err(format!("{open:?} at the end")) }
}

fn attributes(mut rest: &str) -> Result<(), String> {
    let mut names = Vec::new();
    while !rest.trim().is_empty() {
        let (name, value) = rest.split_once("=\"").ok_or_else(|| format!("attributes {rest:?}"))?;
        let (value, after) = value.split_once('"').ok_or_else(|| format!("attributes {rest:?}"))?;
        entities(value)?;
        let name = name.trim();
        if names.contains(&name) || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            return Err(format!("the attribute {name:?}"));
        }
        names.push(name);
        rest = after;
    }
    Ok(())
}

fn entities(text: &str) -> Result<(), String> {
    for part in text.split('&').skip(1) {
        if !["amp;", "lt;", "gt;", "quot;", "#39;"].iter().any(|entity| part.starts_with(entity)) {
            return Err(format!("&{part}"));
        }
    }
    Ok(())
}
