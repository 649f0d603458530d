//! A type with several outputs, against the interpreter.

use std::collections::BTreeMap;

use resnet::{Model, Options, Tensor, Weights};
use resnetc::ir::{Op, interpreter};
use resnetc::pipeline;

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/embed/models/backbone.onnx");

resnet::resnet! {
    /// Maps of two sizes, the embedding and the logits.
    pub struct Backbone { model: "../examples/embed/models/backbone.onnx" }
}

resnet::resnet! {
    /// Two pictures per call, nothing fused, for this file alone.
    struct Pair { model: "../examples/embed/models/backbone.onnx", batch: 2, without: ["fuse_shortcut_add", "fuse_activation"] }
}

resnet::resnet! {
    /// Without its weights.
    pub(crate) struct Bare { model: "../examples/embed/models/backbone.onnx", weights: runtime }
}

type Image = [[[f32; 32]; 32]; 3];

fn image(seed: usize) -> Image {
    let value = |index: usize| ((index * 37 + seed * 61) % 101) as f32 / 50.0 - 1.0;
    std::array::from_fn(|c| std::array::from_fn(|y| std::array::from_fn(|x| value((c * 32 + y) * 32 + x))))
}

/// The outputs by name, as the interpreter computes them from the model before any pass.
fn expected(image: &Image) -> BTreeMap<String, Vec<f64>> {
    let options = pipeline::Options::new(MODEL);
    let graph = pipeline::compile(&options, &mut |_| ()).unwrap_or_else(|problems| panic!("{problems}")).network.graph;
    let [input] = graph.inputs()[..] else { panic!("one input") };
    let Op::Input(layout) = graph.node(input).op() else { panic!("an input") };
    let values = interpreter::logical(*layout, graph.node(input).shape(), image.as_flattened().as_flattened()).unwrap();
    let values = interpreter::run(&graph, &interpreter::Values::from([(input, values)])).unwrap();
    graph.outputs().iter().map(|output| (output.name.clone(), values[&output.node].clone())).collect()
}

fn check<T: Tensor>(found: &T, expected: &[f64], what: &str) {
    let found = found.flat();
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    assert!(largest > 0.1, "{what} says nothing");
    for (found, expected) in found.iter().zip(expected) {
        assert!((f64::from(*found) - expected).abs() <= 1e-5 * largest, "{what}: {found}, not {expected}");
    }
}

#[test]
fn each_output_is_a_field_of_its_shape() {
    let image = image(1);
    let expected = expected(&image);
    let mut network = Backbone::new().unwrap();
    let outputs: BackboneOutputs<'_> = network.infer(&[image]);
    let BackboneOutputs { c2, c3, embedding, logits } = outputs;
    let c2: &[[[[f32; 16]; 16]; 8]; 1] = c2;
    let c3: &[[[[f32; 8]; 8]; 16]; 1] = c3;
    let embedding: &[[f32; 16]; 1] = embedding;
    let logits: &[[f32; 10]; 1] = logits;
    check(c2, &expected["c2"], "c2");
    check(c3, &expected["c3"], "c3");
    check(embedding, &expected["embedding"], "embedding");
    check(logits, &expected["logits"], "logits");
    assert!(format!("{outputs:?}").starts_with("BackboneOutputs { c2: [[[["));
}

#[test]
fn outputs_are_described_and_given_by_name() {
    let names: Vec<_> = Backbone::OUTPUTS.iter().map(|output| (output.name, output.shape)).collect();
    let expected: [(&str, &[usize]); 4] =
        [("c2", &[1, 8, 16, 16]), ("c3", &[1, 16, 8, 8]), ("embedding", &[1, 16]), ("logits", &[1, 10])];
    assert_eq!(names, expected);

    let image = image(2);
    let mut network = Backbone::new().unwrap();
    let typed = *network.infer(&[image]).embedding;
    let outputs = Model::run(&mut network, image.as_flattened().as_flattened()).unwrap();
    assert_eq!(outputs.named("embedding"), Some(&typed[0][..]));
    assert_eq!(
        outputs.iter().map(|(output, values)| (output.name, values.len())).collect::<Vec<_>>(),
        [("c2", 2048), ("c3", 1024), ("embedding", 16), ("logits", 10)]
    );
}

#[test]
fn batches_passes_and_weights_make_no_difference() {
    let images = [image(3), image(4)];
    let mut pair = Pair::with_options(Options { threads: Some(2) }).unwrap();
    let mut copy = pair.clone();
    let outputs = pair.infer(&images);
    for (index, image) in images.iter().enumerate() {
        let expected = expected(image);
        check(&outputs.c2[index], &expected["c2"], "c2");
        check(&outputs.logits[index], &expected["logits"], "logits");
    }
    // A clone has outputs of its own.
    assert_ne!(copy.infer(&[images[1], images[0]]).c3[0], outputs.c3[0]);
    assert_eq!(copy.infer(&images), outputs_of(&mut pair, &images));

    let plan = pipeline::compile(&pipeline::Options::new(MODEL), &mut |_| ()).unwrap().plan;
    let mut bare = Bare::new(Weights::from_bytes(&plan.blob())).unwrap();
    let mut whole = Backbone::new().unwrap();
    assert_eq!(bare.infer(&[images[0]]).c3, whole.infer(&[images[0]]).c3);
}

/// The name of the type with the outputs can be written.
fn outputs_of<'a>(pair: &'a mut Pair, images: &[Image; 2]) -> PairOutputs<'a> {
    pair.infer(images)
}
