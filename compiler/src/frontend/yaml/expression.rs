//! Expressions of a block's parameters: `$width * 4`, `$input.channels / 2`, and text with `${name}` inside.
//!
//! Whole numbers stay whole: `/` between them rounds down. An expression that is a parameter alone has its value, whatever that is.

use super::spec::Argument;

/// Parentheses may be nested this deep.
const DEEPEST: usize = 32;

/// What names stand for.
pub trait Scope {
    /// The value of a name, or of `name.channels`.
    ///
    /// # Errors
    /// A sentence, when there is none.
    fn lookup(&self, name: &str, field: Option<&str>) -> Result<Argument, String>;
}

/// Whether a text has expressions in it.
pub fn is_expression(text: &str) -> bool {
    text.contains('$')
}

/// The value of an expression.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn evaluate(text: &str, scope: &dyn Scope) -> Result<Argument, String> {
    let mut parser = Parser { text, at: 0, scope };
    let value = parser.sum(0)?;
    parser.space();
    match parser.rest() {
        "" => Ok(value),
        rest => Err(format!("`{text}`: what is `{rest}`?")),
    }
}

/// A text with every `${...}` and `$name` in it replaced.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn substitute(text: &str, scope: &dyn Scope) -> Result<String, String> {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        result.push_str(before);
        let (inner, behind) = match after.strip_prefix('{') {
            Some(inside) => {
                let (inner, behind) = inside.split_once('}').ok_or_else(|| format!("`{text}`: `${{` without `}}`"))?;
                let value = if inner.trim_start().starts_with('$') {
                    evaluate(inner, scope)?
                } else {
                    evaluate(&format!("${}", inner.trim_start()), scope)?
                };
                (value, behind)
            }
            None => {
                let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
                let (name, behind) = after.split_at(end);
                (evaluate(&format!("${name}"), scope)?, behind)
            }
        };
        match inner {
            Argument::Text(word) => result.push_str(&word),
            Argument::Count(count) => result.push_str(&count.to_string()),
            Argument::Number(number) => result.push_str(&number.to_string()),
            Argument::Flag(flag) => result.push_str(if flag { "true" } else { "false" }),
            Argument::List(_) => return Err(format!("`{text}`: a list is no part of a text")),
        }
        rest = behind;
    }
    result.push_str(rest);
    Ok(result)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    scope: &'a dyn Scope,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn take(&mut self, symbols: &[char]) -> Option<char> {
        self.space();
        let symbol = self.rest().chars().next().filter(|symbol| symbols.contains(symbol))?;
        self.at += symbol.len_utf8();
        Some(symbol)
    }

    fn word(&mut self, inside: impl Fn(char) -> bool) -> &str {
        let start = self.at;
        let rest = self.rest();
        self.at += rest.find(|c| !inside(c)).unwrap_or(rest.len());
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn sum(&mut self, depth: usize) -> Result<Argument, String> {
        let mut value = self.product(depth)?;
        while let Some(symbol) = self.take(&['+', '-']) {
            let other = self.product(depth)?;
            value = self.apply(symbol, &value, &other)?;
        }
        Ok(value)
    }

    fn product(&mut self, depth: usize) -> Result<Argument, String> {
        let mut value = self.term(depth)?;
        while let Some(symbol) = self.take(&['*', '/']) {
            let other = self.term(depth)?;
            value = self.apply(symbol, &value, &other)?;
        }
        Ok(value)
    }

    fn term(&mut self, depth: usize) -> Result<Argument, String> {
        let text = self.text;
        if self.take(&['(']).is_some() {
            if depth == DEEPEST {
                return Err(format!("`{text}`: parentheses are nested too deep"));
            }
            let value = self.sum(depth + 1)?;
            return match self.take(&[')']) {
                Some(_) => Ok(value),
                None => Err(format!("`{text}`: a `)` is missing")),
            };
        }
        if self.take(&['$']).is_some() {
            let inside = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let name = self.word(inside).to_owned();
            let field = match self.rest().strip_prefix('.') {
                Some(_) => {
                    self.at += 1;
                    Some(self.word(inside).to_owned())
                }
                None => None,
            };
            if name.is_empty() {
                return Err(format!("`{text}`: a name is missing behind `$`"));
            }
            return self.scope.lookup(&name, field.as_deref());
        }
        let digits = self.word(|c| c.is_ascii_digit() || c == '.');
        if let Ok(count) = digits.parse() {
            return Ok(Argument::Count(count));
        }
        match digits.parse() {
            Ok(number) => Ok(Argument::Number(number)),
            Err(_) if self.rest().is_empty() => Err(format!("`{text}`: a number or a `$name` is missing at the end")),
            Err(_) => Err(format!("`{text}`: what is `{}`?", self.rest())),
        }
    }

    fn apply(&self, symbol: char, a: &Argument, b: &Argument) -> Result<Argument, String> {
        let text = self.text;
        if let (Argument::Count(a), Argument::Count(b)) = (a, b) {
            let result = match symbol {
                '+' => a.checked_add(*b),
                '-' => a.checked_sub(*b),
                '*' => a.checked_mul(*b),
                _ => a.checked_div(*b),
            };
            return match result {
                Some(result) => Ok(Argument::Count(result)),
                None => Err(format!("`{text}`: {a} {symbol} {b} is no whole number from 0 up")),
            };
        }
        let number = |value: &Argument| match value {
            Argument::Count(count) => Ok(*count as f64),
            Argument::Number(number) => Ok(*number),
            Argument::Flag(_) | Argument::Text(_) | Argument::List(_) => {
                Err(format!("`{text}`: `{symbol}` takes numbers"))
            }
        };
        let (a, b) = (number(a)?, number(b)?);
        let result = match symbol {
            '+' => a + b,
            '-' => a - b,
            '*' => a * b,
            _ => a / b,
        };
        if result.is_finite() { Ok(Argument::Number(result)) } else { Err(format!("`{text}` is no number")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Names;

    impl Scope for Names {
        fn lookup(&self, name: &str, field: Option<&str>) -> Result<Argument, String> {
            match (name, field) {
                ("w", None) => Ok(Argument::Count(6)),
                ("s", None) => Ok(Argument::Number(0.5)),
                ("word", None) => Ok(Argument::Text("same".to_owned())),
                ("input", Some("channels")) => Ok(Argument::Count(64)),
                _ => Err(format!("no `{name}`")),
            }
        }
    }

    fn value(text: &str) -> Result<Argument, String> {
        evaluate(text, &Names)
    }

    #[test]
    fn arithmetic_has_its_usual_order() {
        assert_eq!(value("$w * 4 + 1"), Ok(Argument::Count(25)));
        assert_eq!(value("1 + $w*4"), Ok(Argument::Count(25)));
        assert_eq!(value("($input.channels - 4) / ($w - 2) / 2"), Ok(Argument::Count(7)));
        assert_eq!(value("$w / 4"), Ok(Argument::Count(1)));
        assert_eq!(value("$w * $s"), Ok(Argument::Number(3.0)));
        assert_eq!(value("$word"), Ok(Argument::Text("same".to_owned())));
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        for text in
            ["", "$", "$w +", "$w $w", "($w", "$w)", "$x", "$w / 0", "$w - 7", "$word * 2", "$w.size", "1.2.3", "é"]
        {
            assert!(value(text).is_err(), "{text}");
        }
        assert!(value(&"(".repeat(100_000)).is_err());
    }

    #[test]
    fn names_are_put_together() {
        let text = |text| substitute(text, &Names);
        assert_eq!(text("block${w}_conv"), Ok("block6_conv".to_owned()));
        assert_eq!(text("a.$w.b${$w + 1}"), Ok("a.6.b7".to_owned()));
        assert_eq!(text("plain"), Ok("plain".to_owned()));
        assert!(text("${w").is_err() && text("$").is_err() && text("$none").is_err());
    }
}
