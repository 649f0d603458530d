//! What is wrong with a spec, collected, each problem at the place of its key.

use std::path::Path;

use super::document::Value;
use crate::diagnostic::{Diagnostic, Diagnostics, Place};

/// Collects problems of one spec.
#[derive(Debug)]
pub struct Problems<'a> {
    document: &'a Value,
    file: &'a Path,
    found: Vec<Diagnostic>,
}

/// The problem that was added last, to say more about it.
#[derive(Debug)]
pub struct Problem<'a>(Option<&'a mut Diagnostic>);

impl<'a> Problems<'a> {
    /// None yet.
    pub fn new(document: &'a Value, file: &'a Path) -> Self {
        Self { document, file, found: Vec::new() }
    }

    /// Adds an error about the value at a key path.
    pub fn error(&mut self, code: &'static str, path: &str, message: impl Into<String>) -> Problem<'_> {
        self.push(Diagnostic::error(code, message), path)
    }

    /// Adds a warning about the value at a key path.
    pub fn warning(&mut self, code: &'static str, path: &str, message: impl Into<String>) -> Problem<'_> {
        self.push(Diagnostic::warning(code, message), path)
    }

    /// Adds a problem as it is: one with a place of its own, or with none, as what is given from outside has.
    pub fn report(&mut self, problem: Diagnostic) {
        self.found.push(problem);
    }

    /// Whether there is an error among them.
    pub fn any(&self) -> bool {
        self.found.iter().any(|problem| problem.severity == crate::diagnostic::Severity::Error)
    }

    /// Whether something was said about the value at a key path.
    pub fn has(&self, path: &str) -> bool {
        self.found.iter().any(|problem| problem.subject.as_deref() == Some(path))
    }

    /// The place of the value at a key path.
    pub fn place(&self, path: &str) -> Place {
        let (line, column) = self.document.position_of(path);
        Place::at(self.file, line, column)
    }

    /// All of them.
    pub fn into_diagnostics(self) -> Diagnostics {
        Diagnostics(self.found)
    }

    fn push(&mut self, diagnostic: Diagnostic, path: &str) -> Problem<'_> {
        let mut diagnostic = diagnostic.at(self.place(path));
        diagnostic.subject = (!path.is_empty()).then(|| path.to_owned());
        self.found.push(diagnostic);
        Problem(self.found.last_mut())
    }
}

impl Problem<'_> {
    /// Says what would have been right.
    pub fn expected(self, expected: impl Into<String>) -> Self {
        let Self(mut diagnostic) = self;
        if let Some(diagnostic) = &mut diagnostic {
            diagnostic.expected = Some(expected.into());
        }
        Self(diagnostic)
    }

    /// Says what to do.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        let Self(mut diagnostic) = self;
        if let Some(diagnostic) = &mut diagnostic {
            diagnostic.hint = Some(hint.into());
        }
        Self(diagnostic)
    }
}
