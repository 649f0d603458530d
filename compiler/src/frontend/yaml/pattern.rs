//! Maps from the names of a user's file to those of a naming scheme.
//!
//! `stages.{s}.{b}.conv{i}.weight: layer{s+1}.{b}.conv{i}.weight` says that the file has the tensor on the left where the scheme has the
//! one on the right. `{i}` stands for a whole number, `{rest*}` for any text; a number may be one more or less on one side.

use std::collections::BTreeMap;

use super::spec::Ordered;

/// A pattern, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// A number's name, and what is added to it.
    Number(String, i64),
    Rest(String),
}

/// A map from the scheme's names to the file's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NameMap(Vec<[Pattern; 2]>);

impl NameMap {
    /// Reads a map as it is written: the file's pattern first.
    ///
    /// # Errors
    /// The key of an entry, and what is wrong with it.
    pub fn new(entries: &Ordered<String>) -> Result<Self, (String, String)> {
        let mut map = Vec::new();
        for (file, scheme) in &entries.0 {
            let parse = |text: &str| Pattern::parse(text).map_err(|message| (file.clone(), message));
            let [file_pattern, scheme_pattern] = [parse(file)?, parse(scheme)?];
            let known = scheme_pattern.names();
            if let Some(name) = file_pattern.names().into_iter().find(|name| !known.contains(name)) {
                return Err((file.clone(), format!("`{{{name}}}` does not occur in `{scheme}`")));
            }
            map.push([file_pattern, scheme_pattern]);
        }
        Ok(Self(map))
    }

    /// What the file calls the tensor that the scheme calls `name`: by the first entry that fits, else the same.
    pub fn file_name(&self, name: &str) -> String {
        let fitting = self.0.iter().find_map(|[file, scheme]| Some(file.render(&scheme.fit(name)?)));
        fitting.unwrap_or_else(|| name.to_owned())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    Number(i64),
    Text(String),
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (inner, behind) = after.split_once('}').ok_or_else(|| format!("`{text}`: `{{` without `}}`"))?;
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            let (name, piece): (&str, fn(String, i64) -> Piece) = match inner.strip_suffix('*') {
                Some(name) => (name, |name, _| Piece::Rest(name)),
                None => (inner, Piece::Number),
            };
            let (name, added) = match name.find(['+', '-']).map(|at| name.split_at(at)) {
                Some((name, added)) => (name, added.parse().map_err(|_| format!("`{text}`: what is `{added}`?"))?),
                None => (name, 0),
            };
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                return Err(format!("`{text}`: `{{{inner}}}` has no name"));
            }
            if pieces.iter().any(|piece| matches!(piece, Piece::Number(known, _) | Piece::Rest(known) if known == name))
            {
                return Err(format!("`{text}`: `{{{name}}}` stands in it twice"));
            }
            pieces.push(piece(name.to_owned(), added));
            rest = behind;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Self(pieces))
    }

    fn names(&self) -> Vec<&str> {
        self.0
            .iter()
            .filter_map(|piece| match piece {
                Piece::Text(_) => None,
                Piece::Number(name, _) | Piece::Rest(name) => Some(name.as_str()),
            })
            .collect()
    }

    /// What the names of the pattern stand for in `text`, when it fits. A `{rest*}` takes as much as it can, to the next text of the pattern.
    fn fit(&self, text: &str) -> Option<BTreeMap<&str, Found>> {
        let mut found = BTreeMap::new();
        let mut rest = text;
        for (index, piece) in self.0.iter().enumerate() {
            match piece {
                Piece::Text(text) => rest = rest.strip_prefix(text.as_str())?,
                Piece::Number(name, added) => {
                    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
                    let (digits, behind) = rest.split_at(end);
                    let number: i64 = digits.parse().ok()?;
                    found.insert(name.as_str(), Found::Number(number.checked_sub(*added)?));
                    rest = behind;
                }
                Piece::Rest(name) => {
                    let end = match self.0.get(index + 1) {
                        Some(Piece::Text(next)) => rest.rfind(next.as_str())?,
                        Some(Piece::Number(..) | Piece::Rest(_)) => return None,
                        None => rest.len(),
                    };
                    let (taken, behind) = rest.split_at(end);
                    found.insert(name.as_str(), Found::Text(taken.to_owned()));
                    rest = behind;
                }
            }
        }
        rest.is_empty().then_some(found)
    }

    fn render(&self, found: &BTreeMap<&str, Found>) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Number(name, added) => match found.get(name.as_str()) {
                    Some(Found::Number(number)) => text.push_str(&number.saturating_add(*added).to_string()),
                    Some(Found::Text(piece)) => text.push_str(piece),
                    None => {}
                },
                Piece::Rest(name) => match found.get(name.as_str()) {
                    Some(Found::Text(piece)) => text.push_str(piece),
                    Some(Found::Number(number)) => text.push_str(&number.to_string()),
                    None => {}
                },
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(&str, &str)]) -> Result<NameMap, (String, String)> {
        NameMap::new(&Ordered(entries.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()))
    }

    #[test]
    fn numbers_and_texts_are_carried_over() {
        let names = map(&[
            ("stage{s}.block{b}.conv{i-1}.kernel", "layer{s+1}.{b}.conv{i}.weight"),
            ("backbone.{rest*}", "layer{rest*}"),
            ("classifier.{leaf*}", "fc.{leaf*}"),
        ])
        .unwrap();
        assert_eq!(names.file_name("layer2.10.conv3.weight"), "stage1.block10.conv2.kernel");
        assert_eq!(names.file_name("layer2.10.bn3.weight"), "backbone.2.10.bn3.weight");
        assert_eq!(names.file_name("fc.bias"), "classifier.bias");
        assert_eq!(names.file_name("conv1.weight"), "conv1.weight");
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        for (file, scheme) in
            [("a{i", "b"), ("a{i}", "b"), ("a{}", "b"), ("{i}{i}", "{i}"), ("{i+x}", "{i}"), ("{a b}", "x")]
        {
            assert!(map(&[(file, scheme)]).is_err(), "{file}: {scheme}");
        }
    }
}
