//! `resnetc explain`

use clap::Args;
use serde_json::json;

use super::table::{Align, table};
use super::{Failure, output};
use crate::diagnostic::codes::{self, CODES, Code};
use crate::diagnostic::{Diagnostic, nearest};

/// Explain the code of an error or a warning
#[derive(Debug, Args)]
pub struct Arguments {
    /// A code, such as E-ONNX-OP; all of them are listed when it is left out
    #[arg(value_name = "CODE")]
    code: Option<String>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let as_json = |code: &Code| json!({ "code": code.code, "what": code.what, "remedy": code.remedy });
    let Some(given) = &arguments.code else {
        if arguments.json {
            return output::json(&CODES.iter().map(as_json).collect());
        }
        let rows: Vec<_> = CODES.iter().map(|code| vec![code.code.to_owned(), code.what.to_owned()]).collect();
        return output::print(&table(&[("code", Align::Left), ("what is wrong", Align::Left)], &rows));
    };
    // As it stands in a message: `error[E-KEY]`.
    let bare = given
        .trim_start_matches("error")
        .trim_start_matches("warning")
        .trim_start_matches("note")
        .trim_matches(['[', ']']);
    let Some(code) = codes::find(bare) else {
        let hint = match nearest(&bare.to_uppercase(), CODES.iter().map(|code| code.code)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`resnetc explain` lists all codes".to_owned(),
        };
        let error = Diagnostic::error("E-ARGUMENT", format!("there is no code `{given}`")).hint(hint);
        return Err(Failure::Usage(error.into()));
    };
    if arguments.json {
        return output::json(&as_json(code));
    }
    output::print(&format!("{}: {}\n{}\n", code.code, code.what, code.remedy))
}
