//! The specs that a spec uses as parts.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

use super::problems::Problems;
use super::spec::{Layer, LayerWith, NetworkUse, Spec};
use crate::diagnostic::{Diagnostics, nearest};
use crate::frontend::shipped;
use crate::frontend::source::Source;
use crate::limits;

/// So many specs may be used by one.
const MOST: usize = 64;

/// Specs by the name that `network` has for them.
#[derive(Debug, Clone, Default)]
pub struct Library {
    specs: BTreeMap<String, Rc<Spec>>,
    /// The files read for it.
    pub files: Vec<PathBuf>,
}

impl Library {
    /// The spec of a name.
    pub fn get(&self, name: &str) -> Option<&Rc<Spec>> {
        self.specs.get(name)
    }

    /// Reads every spec that `spec` uses, and those that they use. Files lie beside `source` or below, also those that other
    /// files name.
    ///
    /// # Errors
    /// What is wrong with the form of one of them; that one is missing goes to `problems`.
    pub fn collect(spec: &Spec, source: &Source<'_>, problems: &mut Problems<'_>) -> Result<Self, Diagnostics> {
        let mut library = Self::default();
        let mut open = uses(spec);
        while let Some((name, path)) = open.pop() {
            if library.specs.contains_key(&name) {
                continue;
            }
            if library.specs.len() == MOST {
                problems.error("E-REC", &path, format!("more than {MOST} specs are used")).hint("use fewer");
                break;
            }
            let Some(part) = library.read(&name, &path, source, problems)? else { continue };
            // Inside another spec there is no place in the user's own; the use that led there has one.
            open.extend(uses(&part).into_iter().map(|(name, _)| (name, path.clone())));
            library.specs.insert(name, Rc::new(part));
        }
        Ok(library)
    }

    fn read(
        &mut self,
        name: &str,
        path: &str,
        source: &Source<'_>,
        problems: &mut Problems<'_>,
    ) -> Result<Option<Spec>, Diagnostics> {
        if let Some(shipped) = shipped::spec(name) {
            return super::parse(shipped.text, &Source::Shipped(shipped).label()).map(Some);
        }
        if !name.ends_with(".yaml") && !name.ends_with(".yml") {
            let names: Vec<&str> = shipped::SPECS.iter().map(|spec| spec.name).collect();
            let problem = problems
                .error("E-REF", path, format!("no spec that ships with the compiler is called `{name}`"))
                .expected("such a name, or a file that ends in `.yaml`");
            if let Some(near) = nearest(name, names) {
                problem.hint(format!("did you mean `{near}`?"));
            }
            return Ok(None);
        }
        match source.beside(name, limits::SPEC_BYTES.get()) {
            Ok((file, bytes)) => {
                let shown = file.clone().unwrap_or_else(|| PathBuf::from(name));
                self.files.extend(file);
                super::parse(&super::utf8(&bytes, &shown)?, &shown).map(Some)
            }
            Err(message) => {
                problems.error("E-REF", path, message).expected("a spec beside or below this one");
                Ok(None)
            }
        }
    }
}

/// The specs that a spec uses, each with the key path that asks for it.
fn uses(spec: &Spec) -> Vec<(String, String)> {
    let mut chains: Vec<(String, &[Layer])> =
        vec![("stem".to_owned(), &spec.stem), ("tail".to_owned(), &spec.tail), ("head".to_owned(), &spec.head)];
    for (name, layers) in spec.graph.iter().flat_map(|graph| &graph.0) {
        chains.push((format!("graph.{name}"), layers));
    }
    for (block, definition) in &spec.blocks.0 {
        for (name, layers) in &definition.values.0 {
            chains.push((format!("blocks.{block}.values.{name}"), layers));
        }
    }
    let mut found = Vec::new();
    for (path, layers) in chains {
        for (index, layer) in layers.iter().enumerate() {
            if let Layer::With(with) = layer
                && let LayerWith::Network(network) = &**with
            {
                let name = match network {
                    NetworkUse::Named(name) => name,
                    NetworkUse::With(with) => &with.spec,
                };
                found.push((name.clone(), format!("{path}[{index}].network")));
            }
        }
    }
    found
}
