//! Tensors in NumPy's format.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};

use npyz::{DType, NpyFile, Order, WriteOptions, WriterBuilder};

use crate::diagnostic::{Diagnostic, Place};
use crate::plan::Input;

/// As the programs have it.
#[path = "../../../runtime/src/app/names.rs"]
mod names;

/// A tensor of a .npy file.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Extents, outermost first.
    pub shape: Vec<usize>,
    /// Values in row-major order.
    pub values: Vec<f32>,
}

impl Array {
    /// The values, as exact in 64 bits.
    pub fn wide(&self) -> impl Iterator<Item = f64> + '_ {
        self.values.iter().map(|value| f64::from(*value))
    }
}

/// The files of the inputs of a network: the path itself, or of several inputs files in that folder, named as its program names them.
pub fn paths(inputs: &[Input], path: &Path) -> Vec<PathBuf> {
    match inputs {
        [_] => vec![path.to_path_buf()],
        inputs => names::files(inputs.iter().map(|input| input.name.as_str()), "input")
            .into_iter()
            .map(|name| path.join(name))
            .collect(),
    }
}

/// Reads the inputs of a network, each of its shape.
///
/// # Errors
/// As [`read`], and when a shape is not that of the input.
pub fn read_inputs(inputs: &[Input], path: &Path) -> Result<Vec<Array>, Diagnostic> {
    let mut arrays = Vec::with_capacity(inputs.len());
    for (path, input) in paths(inputs, path).iter().zip(inputs) {
        let array = read(path)?;
        fits(&array, &input.shape, path, "input")?;
        arrays.push(array);
    }
    Ok(arrays)
}

/// Checks a tensor's shape.
///
/// # Errors
/// `E-NPY` when it is another than that of the network's `what`.
pub fn fits(array: &Array, shape: &[usize], path: &Path, what: &str) -> Result<(), Diagnostic> {
    if array.shape == shape {
        return Ok(());
    }
    Err(Diagnostic::error("E-NPY", format!("its shape is {:?}", array.shape))
        .at(Place::file(path))
        .expected(format!("{shape:?}, the shape of the network's {what}")))
}

/// Writes a .npy file of 32-bit floats.
///
/// # Errors
/// When it cannot be written.
pub fn write(path: &Path, array: &Array) -> Result<(), Diagnostic> {
    let shape: Vec<u64> = array.shape.iter().map(|extent| *extent as u64).collect();
    let written = File::create(path).and_then(|file| {
        let mut npy = WriteOptions::new().default_dtype().shape(&shape).writer(BufWriter::new(file)).begin_nd()?;
        npy.extend(array.values.iter().copied())?;
        npy.finish()
    });
    written.map_err(|error| Diagnostic::error("E-FILE", format!("cannot write it: {error}")).at(Place::file(path)))
}

/// Reads a .npy file of 32-bit or 64-bit floats, row-major.
///
/// # Errors
/// When it cannot be read, is something else, or is shorter than its header says.
pub fn read(path: &Path) -> Result<Array, Diagnostic> {
    let wrong = |message: String| {
        Diagnostic::error("E-NPY", message)
            .at(Place::file(path))
            .expected("a .npy file of float32 or float64 values in C order, as numpy.save writes it")
    };
    let file = File::open(path).map_err(|error| wrong(format!("cannot open it: {error}")))?;
    let length = file.metadata().map_err(|error| wrong(format!("cannot read it: {error}")))?.len();
    let npy = NpyFile::new(BufReader::new(file)).map_err(|error| wrong(format!("no .npy header: {error}")))?;
    let dtype = npy.dtype();
    let bytes = match &dtype {
        DType::Plain(kind) => kind.num_bytes().unwrap_or(1) as u64,
        DType::Record(_) | DType::Array(..) => 1,
    };
    let elements = npy.shape().iter().try_fold(1_u64, |product, extent| product.checked_mul(*extent));
    // Before anything of that size is allocated.
    if elements.and_then(|elements| elements.checked_mul(bytes)).is_none_or(|needed| needed > length) {
        return Err(wrong(format!("its header says {:?}, but the file has {length} bytes only", npy.shape())));
    }
    if npy.order() != Order::C {
        return Err(wrong("its values are in Fortran order".to_owned()).hint("save it with numpy.ascontiguousarray"));
    }
    let shape: Vec<usize> = npy.shape().iter().filter_map(|extent| usize::try_from(*extent).ok()).collect();
    let kind = dtype.descr();
    let values = match kind.trim_matches('\'') {
        "<f4" | ">f4" => npy.into_vec::<f32>(),
        "<f8" | ">f8" => npy.into_vec::<f64>().map(|values| values.into_iter().map(|value| value as f32).collect()),
        other => return Err(wrong(format!("its values are of type {other}"))),
    };
    let values = values.map_err(|error| wrong(format!("cannot read its values: {error}")))?;
    Ok(Array { shape, values })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npy(header: &str, body: &[u8]) -> tempfile::NamedTempFile {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(body);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    #[test]
    fn floats_of_both_widths_are_read() {
        let file = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }\n", &[0, 0, 128, 63, 0, 0, 0, 64]);
        assert_eq!(read(file.path()).unwrap(), Array { shape: vec![1, 2], values: vec![1.0, 2.0] });
        let file = npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }\n", &1.5_f64.to_le_bytes());
        assert_eq!(read(file.path()).unwrap(), Array { shape: vec![1], values: vec![1.5] });
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let array = Array { shape: vec![1, 2, 3], values: vec![1.0, -2.0, 0.5, f32::MIN_POSITIVE, 4.0, 5.0] };
        let path = folder.path().join("a.npy");
        write(&path, &array).unwrap();
        assert_eq!(read(&path).unwrap(), array);
        assert_eq!(write(&folder.path().join("no").join("a.npy"), &array).unwrap_err().code, "E-FILE");
    }

    #[test]
    fn what_is_wrong_is_said() {
        let huge = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 9999999), }\n", &[0; 8]);
        let integers = npy("{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }\n", &[0; 8]);
        let fortran = npy("{'descr': '<f4', 'fortran_order': True, 'shape': (2,), }\n", &[0; 8]);
        let text = npy("", b"");
        std::fs::write(text.path(), "hello").unwrap();
        for (file, word) in [(huge, "bytes only"), (integers, "<i4"), (fortran, "Fortran"), (text, "header")] {
            let error = read(file.path()).unwrap_err();
            assert!(error.message.contains(word), "{error}");
        }
    }
}
