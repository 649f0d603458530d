//! One line to tokens, each with the column it starts at.

/// A piece of a line.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// `%12`
    Node(u64),
    /// `conv`, `padding`, `true`
    Word(String),
    /// `"name"`, with its escapes resolved.
    Text(String),
    /// `3`, `-1.5e-7`, `0x7fc00000`, as it stands.
    Number(String),
    /// One of `= ( ) [ ] , :`
    Mark(char),
}

impl Token {
    /// The token as an error shows it.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Node(number) => format!("`%{number}`"),
            Self::Word(text) | Self::Number(text) => format!("`{text}`"),
            Self::Text(text) => format!("{text:?}"),
            Self::Mark(mark) => format!("`{mark}`"),
        }
    }
}

/// What cannot be read, and its column from 1.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fault {
    pub column: usize,
    pub message: String,
    pub expected: Option<String>,
}

impl Fault {
    pub(super) fn new(column: usize, message: impl Into<String>) -> Self {
        Self { column, message: message.into(), expected: None }
    }

    pub(super) fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }
}

/// The tokens of a line up to a comment.
pub(super) fn tokens(line: &str) -> Result<Vec<(Token, usize)>, Fault> {
    let mut lexer = Lexer { rest: line.chars().peekable(), column: 0 };
    let mut tokens = Vec::new();
    while let Some(character) = lexer.next() {
        let column = lexer.column;
        let token = match character {
            ' ' | '\t' => continue,
            '#' => break,
            '=' | '(' | ')' | '[' | ']' | ',' | ':' => Token::Mark(character),
            '%' => {
                let digits = lexer.while_matching(|c| c.is_ascii_digit());
                let number = digits.parse().map_err(|_| Fault::new(column, format!("`%{digits}` names no node")));
                Token::Node(number.map_err(|fault| fault.expected("a number behind `%`"))?)
            }
            '"' => Token::Text(lexer.text(column)?),
            _ if character.is_ascii_alphabetic() => {
                let rest = lexer.while_matching(|c| c.is_ascii_alphanumeric() || c == '_');
                Token::Word(format!("{character}{rest}"))
            }
            _ if character.is_ascii_digit() || character == '-' => {
                let rest = lexer.while_matching(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+'));
                Token::Number(format!("{character}{rest}"))
            }
            _ => return Err(Fault::new(column, format!("{character:?} has no meaning here"))),
        };
        tokens.push((token, column));
    }
    Ok(tokens)
}

struct Lexer<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    /// The column of the last character taken.
    column: usize,
}

impl Lexer<'_> {
    fn next(&mut self) -> Option<char> {
        let character = self.rest.next();
        self.column += usize::from(character.is_some());
        character
    }

    fn while_matching(&mut self, matches: impl Fn(char) -> bool) -> String {
        let mut text = String::new();
        while let Some(character) = self.rest.next_if(|character| matches(*character)) {
            self.column += 1;
            text.push(character);
        }
        text
    }

    fn text(&mut self, start: usize) -> Result<String, Fault> {
        let mut text = String::new();
        loop {
            match self.next() {
                Some('"') => return Ok(text),
                Some('\\') => text.push(self.escape()?),
                Some(character) => text.push(character),
                None => return Err(Fault::new(start, "the name is not closed").expected("a closing `\"`")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        let column = self.column;
        let fault = |what: String| {
            let expected = "one of `\\\\`, `\\\"`, `\\n`, `\\r`, `\\t`, `\\u{7f}`";
            Fault::new(column, format!("`\\{what}` is no escape")).expected(expected)
        };
        match self.next() {
            Some(character @ ('"' | '\\')) => Ok(character),
            Some('n') => Ok('\n'),
            Some('r') => Ok('\r'),
            Some('t') => Ok('\t'),
            Some('u') => {
                let open = self.rest.next_if_eq(&'{').is_some();
                self.column += usize::from(open);
                let digits = self.while_matching(|c| c.is_ascii_hexdigit());
                let closed = self.rest.next_if_eq(&'}').is_some();
                self.column += usize::from(closed);
                let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                code.filter(|_| open && closed).ok_or_else(|| fault(format!("u{{{digits}}}")))
            }
            Some(other) => Err(fault(other.to_string())),
            None => Err(fault(String::new())),
        }
    }
}
