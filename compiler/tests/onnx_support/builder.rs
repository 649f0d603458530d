//! Models made from the format's own types.

use std::path::{Path, PathBuf};

use prost::Message;
use resnetc::frontend::onnx::proto::tensor_shape_proto::Dimension;
use resnetc::frontend::onnx::proto::tensor_shape_proto::dimension::Value;
use resnetc::frontend::onnx::proto::type_proto::TensorTypeProto;
use resnetc::frontend::onnx::proto::{
    AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, SparseTensorProto,
    StringStringEntryProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto,
};

/// A model in the making.
#[derive(Clone)]
pub struct Builder(pub ModelProto);

impl Builder {
    /// A model with an input `x` of these extents (0 stands for `batch`) and an output `y`.
    pub fn new(input: &[i64]) -> Self {
        let graph = GraphProto {
            name: "tiny".to_owned(),
            input: vec![typed("x", input)],
            output: vec![ValueInfoProto { name: "y".to_owned(), r#type: None }],
            ..GraphProto::default()
        };
        let opset_import = vec![OperatorSetIdProto { domain: String::new(), version: 13 }];
        Self(ModelProto { ir_version: 8, graph: Some(graph), opset_import, ..ModelProto::default() })
    }

    pub fn graph(&mut self) -> &mut GraphProto {
        self.0.graph.as_mut().unwrap()
    }

    #[must_use]
    pub fn opset(mut self, version: i64) -> Self {
        self.0.opset_import[0].version = version;
        self
    }

    /// Changes anything else.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut GraphProto)) -> Self {
        change(self.graph());
        self
    }

    /// An operator without a name.
    #[must_use]
    pub fn node(mut self, op: &str, inputs: &[&str], outputs: &[&str], attributes: Vec<AttributeProto>) -> Self {
        let strings = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        self.graph().node.push(NodeProto {
            input: strings(inputs),
            output: strings(outputs),
            op_type: op.to_owned(),
            attribute: attributes,
            ..NodeProto::default()
        });
        self
    }

    /// Names the last operator.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.graph().node.last_mut().unwrap().name = name.to_owned();
        self
    }

    /// Floating-point constants: 0, 0.25, 0.5, ...
    #[must_use]
    pub fn floats(mut self, name: &str, dims: &[i64]) -> Self {
        let count: i64 = dims.iter().product();
        let raw: Vec<u8> = (0..count).flat_map(|i| (i as f32 * 0.25).to_le_bytes()).collect();
        self.graph().initializer.push(TensorProto { raw_data: raw.into(), ..tensor(name, dims, 1) });
        self
    }

    /// Integer constants along one axis.
    #[must_use]
    pub fn ints(mut self, name: &str, values: &[i64]) -> Self {
        let proto = TensorProto { int64_data: values.to_vec(), ..tensor(name, &[values.len() as i64], 7) };
        self.graph().initializer.push(proto);
        self
    }

    /// A constant in another file.
    #[must_use]
    pub fn external(mut self, name: &str, dims: &[i64], entries: &[(&str, &str)]) -> Self {
        let entry = |(key, value): &(&str, &str)| StringStringEntryProto { key: (*key).into(), value: (*value).into() };
        let external_data = entries.iter().map(entry).collect();
        self.graph().initializer.push(TensorProto { external_data, data_location: 1, ..tensor(name, dims, 1) });
        self
    }

    /// Makes all nodes so far the body of a function, with these inputs and outputs.
    #[must_use]
    pub fn function(mut self, domain: &str, name: &str, input: &[&str], output: &[&str]) -> Self {
        let strings = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let node = std::mem::take(&mut self.graph().node);
        self.0.functions.push(FunctionProto {
            name: name.to_owned(),
            domain: domain.to_owned(),
            input: strings(input),
            output: strings(output),
            node,
            ..FunctionProto::default()
        });
        self
    }

    /// Puts the last operator into a domain.
    #[must_use]
    pub fn of(mut self, domain: &str) -> Self {
        self.graph().node.last_mut().unwrap().domain = domain.to_owned();
        self
    }

    /// A sparse constant: these values, at these places.
    #[must_use]
    pub fn sparse(mut self, name: &str, dims: &[i64], values: &[f32], places: (&[i64], &[i64])) -> Self {
        let values = TensorProto { float_data: values.to_vec(), ..tensor(name, &[values.len() as i64], 1) };
        let indices = TensorProto { int64_data: places.1.to_vec(), ..tensor("", places.0, 7) };
        let (values, indices) = (Some(values), Some(indices));
        self.graph().sparse_initializer.push(SparseTensorProto { values, indices, dims: dims.to_vec() });
        self
    }

    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.encode_to_vec()
    }

    /// Writes it to a folder.
    pub fn write(&self, folder: &Path) -> PathBuf {
        let path = folder.join("model.onnx");
        std::fs::write(&path, self.bytes()).unwrap();
        path
    }
}

/// A tensor without values.
pub fn tensor(name: &str, dims: &[i64], data_type: i32) -> TensorProto {
    TensorProto { name: name.to_owned(), dims: dims.to_vec(), data_type, ..TensorProto::default() }
}

/// A declared value; 0 stands for `batch`, -1 for `height`.
pub fn typed(name: &str, dims: &[i64]) -> ValueInfoProto {
    let dim = |extent: &i64| Dimension {
        value: Some(match extent {
            0 => Value::DimParam("batch".to_owned()),
            -1 => Value::DimParam("height".to_owned()),
            extent => Value::DimValue(*extent),
        }),
    };
    let shape = TensorShapeProto { dim: dims.iter().map(dim).collect() };
    let tensor = TensorTypeProto { elem_type: 1, shape: Some(shape) };
    ValueInfoProto { name: name.to_owned(), r#type: Some(TypeProto { tensor_type: Some(tensor) }) }
}

pub fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: name.to_owned(), i, r#type: 2, ..AttributeProto::default() }
}

pub fn ints(name: &str, ints: &[i64]) -> AttributeProto {
    AttributeProto { name: name.to_owned(), ints: ints.to_vec(), r#type: 7, ..AttributeProto::default() }
}

pub fn string(name: &str, s: &str) -> AttributeProto {
    AttributeProto { name: name.to_owned(), s: s.as_bytes().to_vec(), r#type: 3, ..AttributeProto::default() }
}
