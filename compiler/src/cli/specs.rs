//! `resnetc specs`

use clap::Args;
use serde_json::json;

use super::table::{Align, table};
use super::{Failure, output};
use crate::frontend::shipped;

/// List the networks that ship inside
#[derive(Debug, Args)]
pub struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,

    /// Print the spec of one of them, to start one of your own from
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

/// Whether a network of this name ships inside.
pub fn shipped(name: &str) -> bool {
    shipped::spec(name).is_some()
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    if let Some(name) = &arguments.name {
        let Some(spec) = shipped::spec(name) else {
            let names = shipped::SPECS.map(|spec| spec.name);
            let hint = match crate::diagnostic::nearest(name, names) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`resnetc specs` lists them".to_owned(),
            };
            let error = crate::Diagnostic::error("E-ARGUMENT", format!("no network `{name}` ships inside")).hint(hint);
            return Err(Failure::Usage(error.into()));
        };
        return output::print(spec.text);
    }
    let specs: Vec<(&str, String)> = shipped::SPECS.iter().map(|spec| (spec.name, description(spec.text))).collect();
    if arguments.json {
        let list: Vec<_> =
            specs.iter().map(|(name, description)| json!({ "name": name, "description": description })).collect();
        return output::json(&json!(list));
    }
    let rows: Vec<_> = specs.into_iter().map(|(name, description)| vec![name.to_owned(), description]).collect();
    output::print(&table(&[("name", Align::Left), ("description", Align::Left)], &rows))
}

fn description(text: &str) -> String {
    let spec: Option<serde_yaml::Value> = serde_yaml::from_str(text).ok();
    let description = spec.as_ref().and_then(|spec| spec.get("description")).and_then(serde_yaml::Value::as_str);
    description.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}
