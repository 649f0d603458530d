//! The ONNX standard's own tests (`onnx==1.17.0`, Apache-2.0), which `tests/reference/onnx_backend.sh` installs.
//!
//! A case is a model with its inputs and the outputs that the standard asks for. Most give everything as an input of the graph: weights,
//! statistics, shapes. A compiler has them as constants, so all inputs but the first of floats are bound to the case's values. A case
//! passes when every output is what the standard says, within the standard's tolerance; or it is refused, with a code and a reason. A
//! wrong result, a panic or a refusal without a reason fails the test.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use prost::Message;
use resnetc::frontend::onnx;
use resnetc::frontend::onnx::proto::tensor_shape_proto::{Dimension, dimension};
use resnetc::frontend::onnx::proto::{ModelProto, TensorProto};
use resnetc::frontend::onnx::proto::{TensorShapeProto, TypeProto, ValueInfoProto, type_proto};
use resnetc::ir::{Graph, NodeId, Op, interpreter};
use resnetc::passes::{self, Switches};

/// Folders of the standard's tests. Those of `real` are names of models that are elsewhere; `light` has a test of its own.
const SUITES: [&str; 4] = ["node", "simple", "pytorch-operator", "pytorch-converted"];
/// What the standard's runner allows: of the expected value, and beside it.
const TOLERANCE: [f64; 2] = [1e-3, 1e-7];

/// Operators that every residual classifier of some exporter needs.
const MUST: &str = "Conv BatchNormalization Relu Clip Add Mul Sub Div Sum MaxPool AveragePool GlobalAveragePool GlobalMaxPool ReduceMean \
    Flatten Reshape Squeeze Unsqueeze Transpose Concat Slice Pad Gemm MatMul Softmax LogSoftmax Sigmoid Dropout Identity Constant \
    ConstantOfShape Shape Gather Cast CastLike Expand Range Size Equal Where";
/// Operators of their relatives: attention, group normalisation, segmentation.
const SHOULD: &str = "ReduceSum ReduceMax Split InstanceNormalization GroupNormalization LayerNormalization Sqrt Reciprocal Pow HardSigmoid \
    HardSwish LeakyRelu PRelu Elu Swish Gelu Mish Tanh Exp Log Min Max Tile DepthToSpace ConvTranspose Resize Upsample ArgMax TopK Einsum \
    ReduceL2 ReduceProd Floor Ceil";
/// Operators of integer networks.
const QUANTISED: &str =
    "QuantizeLinear DequantizeLinear QLinearConv QLinearMatMul ConvInteger MatMulInteger DynamicQuantizeLinear";

enum Outcome {
    Passed,
    /// As constants, computed while the model is read.
    Folded,
    Refused(String),
    Failed(String),
}

#[test]
#[ignore = "needs the standard's tests; run by .ci/run"]
fn cases_of_the_standard_pass_or_are_refused_with_a_reason() {
    let Some(root) = data() else {
        println!("skipped: tests/reference/onnx_backend.sh installs the standard's tests");
        return;
    };
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    let mut table: BTreeMap<(&str, String), [usize; 4]> = BTreeMap::new();
    let (mut failed, mut refused) = (Vec::new(), String::new());
    for suite in SUITES {
        for folder in cases(&root.join(suite)) {
            let model = ModelProto::decode(&*std::fs::read(folder.join("model.onnx")).unwrap()).unwrap();
            let (class, operator) = about(&model, &folder);
            let name = format!("{suite}/{}", folder.file_name().unwrap().to_str().unwrap());
            let outcome = catch_unwind(AssertUnwindSafe(|| outcome(&folder, &model)))
                .unwrap_or_else(|_| Outcome::Failed("it panics".to_owned()));
            let column = match &outcome {
                Outcome::Passed => 0,
                Outcome::Folded => 1,
                Outcome::Refused(reason) => {
                    let _ = writeln!(refused, "{class} {operator} {name}: {reason}");
                    2
                }
                Outcome::Failed(reason) => {
                    failed.push(format!("{name}: {reason}"));
                    3
                }
            };
            table.entry((class, operator)).or_default()[column] += 1;
        }
    }
    std::panic::set_hook(quiet);
    failed.retain(|line: &String| !AT_FAULT.iter().any(|(name, _)| line.starts_with(&format!("{name}:"))));
    println!("{}", shown(&table));
    AT_FAULT.iter().for_each(|(name, reason)| println!("counted as failed, but not ours: {name}: {reason}"));
    if let Some(path) = std::env::var_os("RESNET_ONNX_REFUSED") {
        std::fs::write(path, refused).unwrap();
    }
    assert!(failed.is_empty(), "{} cases fail:\n{}", failed.len(), failed.join("\n"));
    let passed: usize = table.values().map(|[passed, folded, ..]| passed + folded).sum();
    assert!(passed >= LEAST, "{passed} cases pass, fewer than the {LEAST} that did");
}

/// Whole networks with constants for weights. The standard's runner feeds them with `0, 1 / n, 2 / n, ...`.
#[test]
#[ignore = "needs the standard's tests; run by .ci/run"]
fn light_networks_of_the_standard_are_right() {
    let Some(root) = data() else {
        println!("skipped: tests/reference/onnx_backend.sh installs the standard's tests");
        return;
    };
    // Or the operator that no residual network has.
    let networks = [
        ("resnet50", None),
        ("shufflenet", None),
        ("densenet121", None),
        ("inception_v2", None),
        ("squeezenet", None),
        ("bvlc_alexnet", Some("LRN")),
        ("inception_v1", Some("LRN")),
        ("zfnet512", Some("LRN")),
    ];
    for (name, missing) in networks {
        let path = root.join(format!("light/light_{name}.onnx"));
        let network = match (onnx::load(&path, None, 1), missing) {
            (Ok((network, _)), None) => network,
            (Err(problems), Some(operator)) => {
                let text = problems.to_string();
                assert!(text.contains("E-ONNX-OP") && text.contains(operator), "{name}: {text}");
                println!("{name}: refused for {operator}");
                continue;
            }
            (loaded, _) => panic!("{name}: {:?}", loaded.map(|_| "taken").map_err(|problems| problems.to_string())),
        };
        let mut graph = network.graph;
        let is_norm = |graph: &Graph, id: &NodeId| matches!(graph.node(*id).op(), Op::BatchNorm(_));
        let norms = graph.topological().iter().filter(|id| is_norm(&graph, id)).count();
        let reports = passes::run(&mut graph, &Switches::default()).unwrap();
        let folded = reports.iter().find(|report| report.pass == "fold_batch_norm").unwrap().changes.len();
        let left = graph.topological().iter().filter(|id| is_norm(&graph, id)).count();
        println!("{name}: {norms} batch normalisations, {folded} folded, {left} left");
        if name == "resnet50" {
            assert_eq!((norms, folded, left), (53, 53, 0));
        }
        let [input] = graph.inputs()[..] else { panic!("one input") };
        let count = graph.node(input).shape().len();
        let x: Vec<f64> = (0..count).map(|at| f64::from((at as f64 / count as f64) as f32)).collect();
        let [output] = graph.outputs() else { panic!("one output") };
        let found = interpreter::run_keeping(&graph, &BTreeMap::from([(input, x)]), &[output.node].into()).unwrap();
        let expected = values(&tensor(&root.join(format!("light/light_{name}_output_0.pb"))).unwrap()).unwrap();
        let found = &found[&output.node];
        assert_eq!(found.len(), expected.len(), "{name}");
        for (found, expected) in found.iter().zip(&expected) {
            assert!(
                (found - expected).abs() <= TOLERANCE[0] * expected.abs() + TOLERANCE[1],
                "{name}: {found}, not {expected}"
            );
        }
    }
}

/// Cases whose data are at odds with the standard's text; ONNX Runtime gives what we give.
const AT_FAULT: [(&str, &str); 5] = [
    (
        "node/test_averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_True",
        "its data divide by elements that ceil_mode adds behind the padding",
    ),
    ("node/test_qlinearmatmul_2D_int8_float32", "its data wrap around where the standard says saturate"),
    ("node/test_qlinearmatmul_3D_int8_float32", "its data wrap around where the standard says saturate"),
    ("node/test_qlinearmatmul_2D_int8_float16", "its data wrap around where the standard says saturate"),
    ("node/test_qlinearmatmul_3D_int8_float16", "its data wrap around where the standard says saturate"),
];

/// Cases that pass, at least.
const LEAST: usize = 1104;

/// Where the tests are, if they are.
fn data() -> Option<PathBuf> {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/onnx-backend");
    let root = std::env::var_os("RESNET_ONNX_BACKEND").map_or(installed, PathBuf::from);
    let root = root.join("onnx/backend/test/data");
    root.is_dir().then_some(root)
}

fn cases(suite: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<_> = std::fs::read_dir(suite).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|folder| folder.join("model.onnx").is_file());
    folders.sort();
    folders
}

/// How much a case matters, and the operator that it is about.
fn about(model: &ModelProto, folder: &Path) -> (&'static str, String) {
    let graph = model.graph.as_ref().unwrap();
    let operators: BTreeSet<&str> = graph.node.iter().map(|node| node.op_type.as_str()).collect();
    let within = |lists: &[&str]| {
        operators.iter().all(|operator| lists.iter().any(|list| list.split_whitespace().any(|one| one == *operator)))
    };
    let class = match () {
        () if !graph.node.iter().all(|node| node.domain.is_empty() || node.domain == "ai.onnx") => "other",
        () if within(&[MUST]) => "must",
        () if within(&[MUST, SHOULD]) => "should",
        () if within(&[MUST, SHOULD, QUANTISED]) => "quantised",
        () => "other",
    };
    let operator = match (graph.node.as_slice(), operators.len()) {
        ([node], _) => node.op_type.clone(),
        (_, 1) => operators.into_iter().collect(),
        // A function of the standard, written out as what it is made of, or a whole network.
        _ => match folder.file_name().unwrap().to_str().unwrap().split_once("_expanded") {
            Some(_) => "(a function written out)".to_owned(),
            None => "(several)".to_owned(),
        },
    };
    (class, operator)
}

fn outcome(folder: &Path, model: &ModelProto) -> Outcome {
    let mut sets: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir() && path.file_name().unwrap().to_str().unwrap().starts_with("test_data_set"))
        .collect();
    sets.sort();
    let mut result = Outcome::Refused("it has no data".to_owned());
    for set in sets {
        result = of_set(&set, model);
        if !matches!(result, Outcome::Passed | Outcome::Folded) {
            break;
        }
    }
    result
}

/// A tensor of a data set; none where the file has a sequence or an optional.
fn tensor(path: &Path) -> Option<TensorProto> {
    TensorProto::decode(&*std::fs::read(path).ok()?).ok().filter(|tensor| tensor.data_type > 0)
}

fn of_set(set: &Path, model: &ModelProto) -> Outcome {
    let mut model = model.clone();
    let graph = model.graph.as_mut().unwrap();
    let own: BTreeSet<String> = graph.initializer.iter().map(|tensor| tensor.name.clone()).collect();
    let given: Vec<String> =
        graph.input.iter().map(|info| info.name.clone()).filter(|name| !own.contains(name)).collect();
    let mut tensors = Vec::new();
    for (index, name) in given.iter().enumerate() {
        let declared = graph.input.iter().find(|info| info.name == *name).and_then(|info| info.r#type.as_ref());
        let declared = declared.and_then(|kind| kind.tensor_type.as_ref());
        let (Some(declared), Some(tensor)) = (declared, tensor(&set.join(format!("input_{index}.pb")))) else {
            return Outcome::Refused("E-TEST an input is no tensor".to_owned());
        };
        // Some files keep the bits of bfloat16 as integers, and only the model says what they are.
        let data_type = if (tensor.data_type, declared.elem_type) == (4, 16) { 16 } else { tensor.data_type };
        tensors.push(TensorProto { name: name.clone(), data_type, ..tensor });
    }
    let floating = |tensor: &TensorProto| matches!(tensor.data_type, 1 | 10 | 11 | 16..=20);
    let data = tensors.iter().position(floating).unwrap_or(0);
    // What its shapes or positions depend on can be no input of a program: then it is a constant. So all are inputs, or those that are
    // floats, or one, or none.
    let all: Vec<usize> = (0..tensors.len()).collect();
    let floats: Vec<usize> = all.iter().copied().filter(|index| floating(&tensors[*index])).collect();
    let mut refused = None;
    for inputs in [all, floats, vec![data], vec![]] {
        if inputs.iter().any(|index| *index >= tensors.len()) {
            continue;
        }
        let mut model = model.clone();
        let graph = model.graph.as_mut().unwrap();
        for (_, tensor) in tensors.iter().enumerate().filter(|(index, _)| !inputs.contains(index)) {
            graph.input.retain(|info| info.name != tensor.name);
            graph.initializer.push(tensor.clone());
        }
        if inputs.is_empty() {
            graph.input.push(unread());
        }
        let given: Vec<&TensorProto> = inputs.iter().map(|index| &tensors[*index]).collect();
        match run(set, &model, &given) {
            Outcome::Passed if inputs.is_empty() => return Outcome::Folded,
            Outcome::Refused(reason) => refused = Some(reason),
            outcome => return outcome,
        }
    }
    Outcome::Refused(refused.unwrap_or_default())
}

/// Every value of a graph, each rounded to f32 as a program stores it: what is rounded to whole numbers later hangs on that.
fn computed(graph: &Graph, mut values: BTreeMap<NodeId, Vec<f64>>) -> Result<BTreeMap<NodeId, Vec<f64>>, String> {
    for id in graph.topological().into_iter().filter(|id| !matches!(graph.node(*id).op(), Op::Input(_))) {
        let reads = graph.operands(id);
        let operands: Vec<_> = reads
            .iter()
            .map(|read| interpreter::Operand { shape: graph.node(*read).shape(), values: &values[read] })
            .collect();
        let exact = interpreter::evaluate(graph.node(id).op(), &operands)?;
        values.insert(id, exact.into_iter().map(|value| f64::from(value as f32)).collect());
    }
    Ok(values)
}

/// An input that nobody reads, for a graph that has no other.
fn unread() -> ValueInfoProto {
    let extent = Dimension { value: Some(dimension::Value::DimValue(1)) };
    let tensor = type_proto::TensorTypeProto { elem_type: 1, shape: Some(TensorShapeProto { dim: vec![extent] }) };
    let kind = TypeProto { tensor_type: Some(tensor) };
    ValueInfoProto { name: "unread".to_owned(), r#type: Some(kind) }
}

fn run(set: &Path, model: &ModelProto, given: &[&TensorProto]) -> Outcome {
    let outputs = model.graph.as_ref().unwrap().output.len();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    std::fs::write(&path, model.encode_to_vec()).unwrap();
    let batch = given.first().and_then(|tensor| tensor.dims.first()).map_or(1, |extent| *extent as usize);
    let network = match onnx::load(&path, None, batch) {
        Ok((network, _)) => network,
        Err(problems) => {
            let text = problems.to_string();
            return match problems.0.iter().all(|problem| !problem.code.is_empty() && !problem.message.is_empty()) {
                true => Outcome::Refused(text.replace('\n', " ")),
                false => Outcome::Failed(format!("it is refused without a reason: {text}")),
            };
        }
    };
    let graph = &network.graph;
    let mut inputs = BTreeMap::new();
    for id in graph.inputs() {
        let Op::Input(layout) = graph.node(id).op() else { panic!("an input") };
        let own = given.iter().find(|tensor| tensor.name == graph.node(id).name);
        let Some(values) = own.map_or(Some(vec![0.0]), |tensor| values(tensor)) else {
            return Outcome::Failed("the input is no tensor of numbers".to_owned());
        };
        if values.iter().any(|value| value.is_finite() && !(*value as f32).is_finite()) {
            return Outcome::Refused("E-TEST a program takes f32, and the input is beyond it".to_owned());
        }
        let values: Vec<f32> = values.into_iter().map(|value| value as f32).collect();
        inputs.insert(id, interpreter::logical(*layout, graph.node(id).shape(), &values).unwrap());
    }
    let computed = match computed(graph, inputs) {
        Ok(computed) => computed,
        Err(error) => return Outcome::Failed(error),
    };
    assert_eq!(graph.outputs().len(), outputs);
    for (index, output) in graph.outputs().iter().enumerate() {
        let declared = model.graph.as_ref().unwrap().output[index].r#type.as_ref();
        let brain = declared.and_then(|kind| kind.tensor_type.as_ref()).is_some_and(|kind| kind.elem_type == 16);
        let found = tensor(&set.join(format!("output_{index}.pb")));
        // Bits of bfloat16, kept as integers.
        let found = found.map(|tensor| TensorProto { data_type: if brain { 16 } else { tensor.data_type }, ..tensor });
        let Some(expected) = found.and_then(|tensor| values(&tensor)) else {
            return Outcome::Refused(format!("E-TEST output {index} is no tensor of numbers"));
        };
        let ours = &computed[&output.node];
        if ours.len() != expected.len() {
            return Outcome::Failed(format!("output {index} has {} values, not {}", ours.len(), expected.len()));
        }
        let wrong = ours.iter().zip(&expected).position(|(ours, expected)| {
            let [of_value, beside] = TOLERANCE;
            // A program keeps f32 where the model says bfloat16, which has 8 bits; the data are cut off to those.
            let of_value = if brain { (-7_f64).exp2() } else { of_value };
            let near = (ours - expected).abs() <= of_value * expected.abs() + beside;
            let same = near || ours == expected || ours.is_nan() && expected.is_nan();
            !same
        });
        if let Some(at) = wrong {
            return Outcome::Failed(format!("output {index} at {at} is {}, not {}", ours[at], expected[at]));
        }
    }
    Outcome::Passed
}

/// IEEE 754 binary16.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let fraction = f64::from(bits & 0x3ff);
    sign * match bits >> 10 & 31 {
        0 => fraction * 2_f64.powi(-24),
        31 => {
            if fraction == 0.0 {
                f64::INFINITY
            } else {
                f64::NAN
            }
        }
        exponent => (1.0 + fraction / 1024.0) * 2_f64.powi(i32::from(exponent) - 15),
    }
}

/// bfloat16: the upper half of a binary32.
fn brain(bits: u16) -> f64 {
    f64::from(f32::from_bits(u32::from(bits) << 16))
}

/// A floating-point number of 8 bits, by the number of its type.
fn narrow(kind: i32, code: u8) -> f64 {
    let sign = if code >> 7 == 1 { -1.0 } else { 1.0 };
    let (fraction_bits, bias) = [(3, 7), (3, 8), (2, 15), (2, 16)][kind as usize - 17];
    let (exponent, fraction) = (i32::from(code & 0x7f) >> fraction_bits, i32::from(code) & ((1 << fraction_bits) - 1));
    match (kind, code, exponent) {
        (17, 0x7f | 0xff, _) | (18 | 20, 0x80, _) => f64::NAN,
        (19, _, 31) => {
            if fraction == 0 {
                sign * f64::INFINITY
            } else {
                f64::NAN
            }
        }
        (_, _, 0) => sign * f64::from(fraction) * 2_f64.powi(1 - bias - fraction_bits),
        _ => sign * f64::from(fraction + (1 << fraction_bits)) * 2_f64.powi(exponent - bias - fraction_bits),
    }
}

/// Integers of 4 bits, two in a byte.
fn nibbles(tensor: &TensorProto, bytes: impl Iterator<Item = u8>) -> Vec<f64> {
    let count = tensor.dims.iter().product::<i64>() as usize;
    let value =
        |nibble: u8| if tensor.data_type == 22 && nibble > 7 { f64::from(nibble) - 16.0 } else { f64::from(nibble) };
    bytes.flat_map(|byte| [value(byte & 15), value(byte >> 4)]).take(count).collect()
}

/// Numbers of a tensor of floats, integers or truth values; none of text.
fn values(tensor: &TensorProto) -> Option<Vec<f64>> {
    let raw = &tensor.raw_data;
    Some(match (tensor.data_type, raw.is_empty()) {
        (1, false) => raw.as_chunks().0.iter().map(|bytes| f64::from(f32::from_le_bytes(*bytes))).collect(),
        (1, true) => tensor.float_data.iter().map(|value| f64::from(*value)).collect(),
        (11, false) => raw.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect(),
        (11, true) => tensor.double_data.clone(),
        (10, false) => raw.as_chunks().0.iter().map(|bytes| half(u16::from_le_bytes(*bytes))).collect(),
        (10, true) => tensor.int32_data.iter().map(|bits| half(*bits as u16)).collect(),
        (16, false) => raw.as_chunks().0.iter().map(|bytes| brain(u16::from_le_bytes(*bytes))).collect(),
        (16, true) => tensor.int32_data.iter().map(|bits| brain(*bits as u16)).collect(),
        (4, false) => raw.as_chunks().0.iter().map(|bytes| f64::from(u16::from_le_bytes(*bytes))).collect(),
        (5, false) => raw.as_chunks().0.iter().map(|bytes| f64::from(i16::from_le_bytes(*bytes))).collect(),
        (12, false) => raw.as_chunks().0.iter().map(|bytes| f64::from(u32::from_le_bytes(*bytes))).collect(),
        (13, false) => raw.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes) as f64).collect(),
        (12 | 13, true) => tensor.uint64_data.iter().map(|value| *value as f64).collect(),
        (6, false) => raw.as_chunks().0.iter().map(|bytes| f64::from(i32::from_le_bytes(*bytes))).collect(),
        (7, false) => raw.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes) as f64).collect(),
        (7, true) => tensor.int64_data.iter().map(|value| *value as f64).collect(),
        (9 | 2, false) => raw.iter().map(|byte| f64::from(*byte)).collect(),
        (3, false) => raw.iter().map(|byte| f64::from(*byte as i8)).collect(),
        (17..=20, false) => raw.iter().map(|code| narrow(tensor.data_type, *code)).collect(),
        (17..=20, true) => tensor.int32_data.iter().map(|code| narrow(tensor.data_type, *code as u8)).collect(),
        (21 | 22, false) => nibbles(tensor, raw.iter().copied()),
        (21 | 22, true) => nibbles(tensor, tensor.int32_data.iter().map(|byte| *byte as u8)),
        (2..=6 | 9, true) => tensor.int32_data.iter().map(|value| f64::from(*value)).collect(),
        _ => return None,
    })
}

fn shown(table: &BTreeMap<(&str, String), [usize; 4]>) -> String {
    let mut text = String::new();
    for class in ["must", "should", "quantised", "other"] {
        let rows = || table.iter().filter(|((of, _), _)| *of == class);
        let mut total = [0; 4];
        rows().for_each(|(_, counts)| total.iter_mut().zip(counts).for_each(|(total, count)| *total += count));
        let [passed, folded, refused, failed] = total;
        let _ = writeln!(text, "{class:<28} {passed:>6} {folded:>7} {refused:>8} {failed:>7}");
        for ((_, operator), [passed, folded, refused, failed]) in rows() {
            let _ = writeln!(text, "  {operator:<26} {passed:>6} {folded:>7} {refused:>8} {failed:>7}");
        }
    }
    format!("{:<28} {:>6} {:>7} {:>8} {:>7}\n{text}", "operator", "passed", "folded", "refused", "failed")
}
