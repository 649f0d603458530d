//! What a user changes about a network without writing a spec: the arguments of Keras' constructors, and the results.

use super::super::extents::InputExtents;
use super::spec::{
    Count, Input, InputShape, Labels, Layer, LayerWith, Output, OutputActivation, Outputs, PlainLayer, Pooling, Size,
    Spec,
};

/// Changes of a spec, each the spec's own when not given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Overrides {
    /// Whether the head is a part of the network.
    pub include_top: Option<bool>,
    /// What stands in place of the head when it is left out.
    pub pooling: Option<Pooling>,
    /// Classes of the last dense layer.
    pub classes: Option<usize>,
    /// What the classifier applies last.
    pub classifier_activation: Option<OutputActivation>,
    /// Extents of the input.
    pub input_shape: Option<InputExtents>,
    /// The values that are the network's results; each gives its name.
    pub outputs: Vec<String>,
}

/// A change that the spec does not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The change.
    pub subject: &'static str,
    /// Why.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl Refused {
    fn new(subject: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { subject, message: message.into(), hint: hint.into() }
    }
}

impl Overrides {
    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Changes a spec. What it expects of its counts, its labels and its published weights stay only as far as they still hold.
    ///
    /// # Errors
    /// The change that the spec does not allow.
    pub fn apply(&self, spec: &mut Spec) -> Result<(), Refused> {
        match &self.input_shape {
            Some(InputExtents::Picture(channels, size)) => resize(spec, *channels, *size),
            Some(InputExtents::Named(_)) => {
                return Err(Refused::new(
                    "input_shape",
                    "a spec's only input has no named axes",
                    "give height and width, or channels, height and width: 160,160",
                ));
            }
            None => {}
        }
        let kept = self.include_top.unwrap_or(true);
        match self.pooling {
            Some(pooling) if pooling != Pooling::None && kept => {
                return Err(Refused::new(
                    "pooling",
                    "pooling stands in place of the head, which is a part of the network",
                    "leave the head out with `include_top`, or leave `pooling` out",
                ));
            }
            _ => {}
        }
        if !kept {
            for (given, name) in [
                (self.classes.is_some(), "classes"),
                (self.classifier_activation.is_some_and(|a| a != OutputActivation::None), "classifier_activation"),
            ] {
                if given {
                    let message = format!("without its head the network has no `{name}`");
                    return Err(Refused::new(name, message, format!("leave `{name}` out, or keep the head")));
                }
            }
            behead(spec, self.pooling.unwrap_or_default());
        }
        if let Some(classes) = self.classes {
            if !(1..=1_000_000).contains(&classes) {
                return Err(Refused::new("classes", format!("{classes} classes"), "1 to 1000000 classes are possible"));
            }
            reclassify(spec, classes)?;
        }
        if let Some(activation) = self.classifier_activation.filter(|_| kept) {
            activate(spec, activation);
        }
        if !self.outputs.is_empty() {
            let activation = match &spec.output {
                Some(Outputs::One(output)) => output.activation,
                Some(Outputs::Several(_)) | None => OutputActivation::None,
            };
            let own = |name: &String| {
                // The network's own result keeps its name and what it applies.
                let own =
                    matches!(&spec.output, Some(Outputs::One(output)) if output.name == *name && output.from.is_none());
                match own {
                    true => Output { name: name.clone(), from: None, activation },
                    false => {
                        Output { name: name.clone(), from: Some(name.clone()), activation: OutputActivation::None }
                    }
                }
            };
            let outputs: Vec<Output> = self.outputs.iter().map(own).collect();
            if outputs.iter().all(|output| output.from.is_some()) {
                spec.labels = None;
            }
            spec.output = Some(Outputs::Several(outputs));
        }
        Ok(())
    }
}

/// Another input; the resize of pictures keeps its proportion to it.
fn resize(spec: &mut Spec, channels: Option<usize>, [height, width]: [usize; 2]) {
    let Input { shape: InputShape(_, own_channels, own_height, own_width), .. } = &mut spec.input;
    let (before, after) = ((*own_height).min(*own_width).max(1), height.min(width));
    *own_channels = channels.unwrap_or(*own_channels);
    (*own_height, *own_width) = (height, width);
    if let Some(preprocess) = &mut spec.preprocess {
        match preprocess.resize {
            // What covers an input that is no square follows from the part that the crop keeps.
            Some(Size::One(side)) if height != width => {
                (preprocess.resize, preprocess.crop) = (None, None);
                preprocess.crop_fraction = Some(before as f64 / side as f64);
            }
            Some(Size::One(side)) => preprocess.resize = Some(Size::One((side * after).div_ceil(before))),
            Some(Size::Pair(_)) => preprocess.resize = Some(Size::Pair([height, width])),
            None => {}
        }
        preprocess.crop = preprocess.crop.map(|_| Size::Pair([height, width]));
    }
    if *own_channels != 3 {
        spec.preprocess = None;
    }
    spec.expect.macs = None;
    if channels.is_some() {
        spec.expect.parameters = None;
    }
}

/// Leaves the head out.
fn behead(spec: &mut Spec, pooling: Pooling) {
    spec.head = match pooling {
        Pooling::None => Vec::new(),
        Pooling::Avg => vec![Layer::Plain(PlainLayer::GlobalAveragePool), Layer::Plain(PlainLayer::Flatten)],
        Pooling::Max => vec![Layer::Plain(PlainLayer::GlobalMaxPool), Layer::Plain(PlainLayer::Flatten)],
    };
    spec.output = Some(Outputs::One(Output::default()));
    spec.labels = None;
    spec.expect.parameters = None;
    spec.expect.macs = None;
}

/// Another number of classes.
fn reclassify(spec: &mut Spec, classes: usize) -> Result<(), Refused> {
    let dense = spec.head.iter_mut().rev().find_map(|layer| match layer {
        Layer::With(with) => match &mut **with {
            LayerWith::Dense(dense) => Some(&mut dense.units),
            _ => None,
        },
        Layer::Plain(_) => None,
    });
    let Some(units) = dense else {
        return Err(Refused::new("classes", "the network has no `dense` layer in its head", "leave `classes` out"));
    };
    if *units != Count::Literal(classes) {
        *units = Count::Literal(classes);
        spec.expect.parameters = None;
        spec.expect.macs = None;
        // A list of other labels says more than the old ones; a set of as many classes may still be meant.
        if !matches!(&spec.labels, Some(Labels::List(labels)) if labels.len() == classes) {
            spec.labels = None;
        }
    }
    Ok(())
}

/// Another activation behind the classifier.
fn activate(spec: &mut Spec, activation: OutputActivation) {
    spec.head.retain(|layer| !matches!(layer, Layer::Plain(PlainLayer::Softmax)));
    match &mut spec.output {
        Some(Outputs::One(output)) => output.activation = activation,
        Some(Outputs::Several(outputs)) => {
            for output in outputs.iter_mut().filter(|output| output.from.is_none()) {
                output.activation = activation;
            }
        }
        None => spec.output = Some(Outputs::One(Output { activation, ..Output::default() })),
    }
}
