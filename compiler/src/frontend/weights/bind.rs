//! Answers what a network asks for with what a file has.

use super::assign::{Wanted, assign, has_shape};
use super::{Axes, FileTensor, Request, Role, TensorFile, axes};
use crate::diagnostic::{Diagnostic, Diagnostics, Place, nearest};
use crate::ir::Tensor;

/// Only so many missing names are compared with those left over: the rest of a file that does not fit at all says nothing new.
const MOST_HINTS: usize = 32;

/// The tensors of the requests, in their order, with their axes turned to the graph's.
///
/// # Errors
/// `E-WORDER` when a file that goes by its order has other layers. Every tensor that is missing (`E-WNAME`), has another shape (`E-WSHAPE`) or an element type that is no floating point number
/// (`E-WTYPE`), is in the file but not asked for (`E-WEXTRA`; batch counters of PyTorch are ignored), or has a value that is not finite or
/// a negative variance (`E-WVAL`).
pub fn bind(wanted: &Wanted<'_>, file: &TensorFile) -> Result<Vec<Tensor>, Diagnostics> {
    let (tensors, problems) = bind_any(wanted, file)?;
    problems.finish(tensors).map(|(tensors, _)| tensors)
}

/// The tensors as [`bind`] gives them, whatever their values, and an error for each whose values no network can use (`E-WVAL`).
///
/// # Errors
/// As [`bind`], when a tensor is missing, left over, or of another shape or type.
pub fn bind_any(wanted: &Wanted<'_>, file: &TensorFile) -> Result<(Vec<Tensor>, Diagnostics), Diagnostics> {
    let assignment = assign(wanted, file);
    if let Some(reason) = assignment.order {
        return Err(Diagnostic::error("E-WORDER", reason)
            .at(Place::file(&file.path))
            .expected("layers in the order of the model, as Keras saves them, since the names in the file are not those of the network")
            .into());
    }
    let mut found = Diagnostics::new();
    let mut tensors = Vec::with_capacity(wanted.requests.len());
    let mut hints = 0_usize;
    for (request, stored) in wanted.requests.iter().zip(&assignment.tensors) {
        match answer(request, *stored, file) {
            Ok((tensor, bad)) => {
                tensors.push(tensor);
                found.0.extend(bad.map(|bad| *bad));
            }
            Err(mut problem) => {
                if stored.is_none() && hints < MOST_HINTS && !assignment.surplus.is_empty() {
                    hints += 1;
                    if let Some(near) = nearest(&request.name, assignment.surplus.iter().copied()) {
                        problem.hint = Some(format!("the file has `{near}`, which is not asked for"));
                    }
                }
                found.push(*problem);
            }
        }
    }
    let whole = tensors.len() == wanted.requests.len() && assignment.surplus.is_empty();
    for name in assignment.surplus {
        found.push(
            Diagnostic::error("E-WEXTRA", "the network has no such tensor").at(Place::file(&file.path)).about(name),
        );
    }
    if whole { Ok((tensors, found)) } else { Err(found) }
}

/// The tensor that answers a request, and what is wrong with its values.
fn answer(
    request: &Request,
    stored: Option<(&str, &FileTensor)>,
    file: &TensorFile,
) -> Result<(Tensor, Option<Box<Diagnostic>>), Box<Diagnostic>> {
    let name = stored.map_or(request.name.as_str(), |(name, _)| name);
    let problem = |code, message: String, expected: String| {
        let problem = Diagnostic::error(code, message).at(Place::file(&file.path)).about(name);
        Box::new(problem.expected(expected))
    };
    let wanted = request.file_shape();
    let Some((_, stored)) = stored else {
        let asked = request.place.as_ref().map(|place| format!(", asked for at {place}")).unwrap_or_default();
        let expected = format!("a tensor of shape {wanted}{asked}");
        return Err(problem("E-WNAME", "the tensor is missing".to_owned(), expected));
    };
    if !has_shape(request, &stored.shape) {
        return Err(problem("E-WSHAPE", format!("its shape is {}", stored.shape), wanted.to_string()));
    }
    let values = file.values(stored).map_err(|element| {
        problem("E-WTYPE", format!("its elements are {element}"), "F32, F16, BF16 or F64".to_owned())
    })?;
    let mut bad = None;
    if let Some(first) = values.iter().position(|value| !value.is_finite()) {
        let count = values.iter().filter(|value| !value.is_finite()).count();
        let message = format!("{count} of its {} values are not finite, the first at {first}", values.len());
        bad = Some(problem("E-WVAL", message, "finite values".to_owned()));
    } else if request.role == Role::Variance
        && let Some((first, value)) = values.iter().enumerate().find(|(_, value)| **value < 0.0)
    {
        bad = Some(problem("E-WVAL", format!("the running variance at {first} is {value}"), "at least 0".to_owned()));
    }
    let count = values.len();
    let values = match request.axes {
        Axes::OutputFirst => values,
        Axes::OutputLast => axes::to_output_first(values, &request.shape),
    };
    let tensor = Tensor::new(request.shape.clone(), values);
    tensor
        .map(|tensor| (tensor, bad))
        .ok_or_else(|| problem("E-WSHAPE", format!("it has {count} values"), wanted.to_string()))
}
