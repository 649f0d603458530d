//! Answers what a network asks for with what a file has.

use std::collections::{BTreeMap, BTreeSet};

use super::{Axes, Request, Role, TensorFile, axes};
use crate::diagnostic::{Diagnostic, Diagnostics, Place, nearest};
use crate::ir::Tensor;

/// Only so many missing names are compared with those left over: the rest of a file that does not fit at all says nothing new.
const MOST_HINTS: usize = 32;

/// The tensors of the requests, in their order, with their axes turned to the graph's.
///
/// # Errors
/// Every tensor that is missing (`E-WNAME`), has another shape (`E-WSHAPE`) or an element type that is no floating point number
/// (`E-WTYPE`), is in the file but not asked for (`E-WEXTRA`; batch counters of PyTorch are ignored), or has a value that is not finite or
/// a negative variance (`E-WVAL`).
pub fn bind(requests: &[Request], file: &TensorFile) -> Result<Vec<Tensor>, Diagnostics> {
    let asked: BTreeSet<&str> = requests.iter().map(|request| request.name.as_str()).collect();
    let surplus: Vec<&str> = file
        .tensors
        .keys()
        .map(String::as_str)
        .filter(|name| !asked.contains(name) && !name.ends_with("num_batches_tracked"))
        .collect();
    let mut found = Diagnostics::new();
    let mut tensors = Vec::with_capacity(requests.len());
    let mut hints = 0_usize;
    let mut meant = BTreeMap::new();
    for request in requests {
        if !file.tensors.contains_key(&request.name) && hints < MOST_HINTS && !surplus.is_empty() {
            hints += 1;
            meant.extend(nearest(&request.name, surplus.iter().copied()).map(|near| (request.name.as_str(), near)));
        }
        match answer(request, file) {
            Ok(tensor) => tensors.push(tensor),
            Err(mut problem) => {
                if let Some(near) = meant.get(request.name.as_str()) {
                    problem.hint = Some(format!("the file has `{near}`, which is not asked for"));
                }
                found.push(*problem);
            }
        }
    }
    for name in surplus {
        found.push(
            Diagnostic::error("E-WEXTRA", "the network has no such tensor").at(Place::file(&file.path)).about(name),
        );
    }
    found.finish(tensors).map(|(tensors, _)| tensors)
}

fn answer(request: &Request, file: &TensorFile) -> Result<Tensor, Box<Diagnostic>> {
    let problem = |code, message: String, expected: String| {
        let problem = Diagnostic::error(code, message).at(Place::file(&file.path)).about(request.name.as_str());
        Box::new(problem.expected(expected))
    };
    let wanted = request.file_shape();
    let Some(stored) = file.tensors.get(&request.name) else {
        let asked = request.place.as_ref().map(|place| format!(", asked for at {place}")).unwrap_or_default();
        let expected = format!("a tensor of shape {wanted}{asked}");
        return Err(problem("E-WNAME", "the tensor is missing".to_owned(), expected));
    };
    if stored.shape != wanted {
        return Err(problem("E-WSHAPE", format!("its shape is {}", stored.shape), wanted.to_string()));
    }
    let values = file.values(stored).map_err(|element| {
        problem("E-WTYPE", format!("its elements are {element}"), "F32, F16, BF16 or F64".to_owned())
    })?;
    if let Some(first) = values.iter().position(|value| !value.is_finite()) {
        let bad = values.iter().filter(|value| !value.is_finite()).count();
        let message = format!("{bad} of its {} values are not finite, the first at {first}", values.len());
        return Err(problem("E-WVAL", message, "finite values".to_owned()));
    }
    if request.role == Role::Variance
        && let Some((first, value)) = values.iter().enumerate().find(|(_, value)| **value < 0.0)
    {
        return Err(problem("E-WVAL", format!("the running variance at {first} is {value}"), "at least 0".to_owned()));
    }
    let count = values.len();
    let values = match request.axes {
        Axes::OutputFirst => values,
        Axes::OutputLast => axes::to_output_first(values, &request.shape),
    };
    Tensor::new(request.shape.clone(), values)
        .ok_or_else(|| problem("E-WSHAPE", format!("it has {count} values"), wanted.to_string()))
}
