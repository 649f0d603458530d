//! The runtime's manifest as it must be outside this workspace: nothing inherited, and without the macro.

use std::error::Error;

use toml::{Table, Value};

/// Rewrites the runtime's manifest so that it stands alone.
pub fn standalone(manifest: &str, workspace: &str) -> Result<String, Box<dyn Error>> {
    let mut manifest: Table = manifest.parse()?;
    let workspace: Table = workspace.parse()?;
    let workspace = table(&workspace, "workspace")?;

    let inherited = table(workspace, "package")?;
    if let Some(Value::Table(package)) = manifest.get_mut("package") {
        for (key, value) in package.iter_mut() {
            if inherits(value) {
                *value = inherited.get(key).ok_or(format!("the workspace has no package.{key}"))?.clone();
            }
        }
        package.insert("publish".into(), Value::Boolean(false));
    }
    if let Some(Value::Table(features)) = manifest.get_mut("features") {
        features.remove("macro");
        features.insert("default".into(), Value::Array(Vec::new()));
    }
    let shared = table(workspace, "dependencies")?;
    if let Some(Value::Table(dependencies)) = manifest.get_mut("dependencies") {
        dependencies.remove("resnet-macros");
        for (name, dependency) in dependencies.iter_mut().filter(|(_, dependency)| inherits(dependency)) {
            let shared = shared.get(name).ok_or(format!("the workspace has no dependency {name}"))?;
            *dependency = merge(shared, dependency);
        }
    }
    // Tests and lints are the workspace's business.
    for section in ["lints", "dev-dependencies", "bench", "test", "example"] {
        manifest.remove(section);
    }
    // The sources still ask for the feature that went.
    let known = "lints.rust.unexpected_cfgs = { level = 'warn', check-cfg = ['cfg(feature, values(\"macro\"))'] }";
    manifest.extend(known.parse::<Table>()?);
    Ok(toml::to_string(&manifest)?)
}

fn table<'a>(parent: &'a Table, key: &str) -> Result<&'a Table, String> {
    parent.get(key).and_then(Value::as_table).ok_or(format!("no table `{key}`"))
}

fn inherits(value: &Value) -> bool {
    value.get("workspace").and_then(Value::as_bool) == Some(true)
}

/// A workspace dependency with what a member adds to it: `optional` and more features.
fn merge(shared: &Value, own: &Value) -> Value {
    let mut merged = match shared {
        Value::Table(table) => table.clone(),
        version => Table::from_iter([("version".to_owned(), version.clone())]),
    };
    for (key, value) in own.as_table().into_iter().flatten().filter(|(key, _)| *key != "workspace") {
        match (merged.get_mut(key), value) {
            (Some(Value::Array(features)), Value::Array(more)) => features.extend(more.iter().cloned()),
            _ => {
                merged.insert(key.clone(), value.clone());
            }
        }
    }
    Value::Table(merged)
}
