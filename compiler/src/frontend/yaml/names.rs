//! What layers and their tensors are called, by naming scheme.

use super::spec::{Scheme, Spec};
use crate::frontend::weights::{Axes, Role};

/// Gives names to layers in the order in which they are made.
#[derive(Debug, Clone)]
pub struct Names {
    scheme: Scheme,
    /// What stands before every name; empty but in a part of another network.
    prefix: String,
    /// Blocks per stage.
    depth: Vec<usize>,
    /// Convolutions, normalisations and dense layers outside the blocks so far.
    outside: [usize; 3],
    /// Convolutions, normalisations and dense layers without a name of their own so far.
    unnamed: [usize; 3],
}

/// A block of a stage, both counted from 0.
#[derive(Debug, Clone, Copy)]
pub struct BlockId {
    /// The stage.
    pub stage: usize,
    /// The block within it.
    pub block: usize,
}

/// A place among the convolutions and normalisations of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Branch {
    /// Before the first convolution.
    Preactivation,
    /// The convolution of this number in the residual branch, from 1, and the normalisation behind it.
    Body(usize),
    /// The projection.
    Shortcut,
    /// The projection behind a mean.
    AverageShortcut,
}

impl Names {
    /// Names by `scheme` for the layers of `spec`, each with `prefix` before it.
    pub fn new(scheme: Scheme, spec: &Spec, prefix: &str) -> Self {
        let depth = spec.stages.as_ref().map(|stages| stages.depth.clone()).unwrap_or_default();
        Self { scheme, prefix: prefix.to_owned(), depth, outside: [0; 3], unnamed: [0; 3] }
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// A name with what stands before every name.
    pub fn within_part(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { self.join(&self.prefix, name) }
    }

    /// The name of a part of what `place` names.
    pub fn join(&self, place: &str, part: &str) -> String {
        let between = match self.scheme {
            Scheme::Keras | Scheme::KerasNumbered | Scheme::Caffe => "_",
            Scheme::Torchvision | Scheme::TimmResnetv2 | Scheme::HuggingFace => ".",
        };
        match (place, part) {
            ("", part) => part.to_owned(),
            (place, "") => place.to_owned(),
            (place, part) => format!("{place}{between}{part}"),
        }
    }

    /// A convolution outside the blocks of stages, at `place` in a graph; `named` when it has a name of its own.
    pub fn conv(&mut self, place: Option<&str>, named: bool) -> String {
        let index = self.count(0, named);
        match (self.scheme, place) {
            (Scheme::KerasNumbered, _) => counted("conv2d", index.unnamed),
            (_, Some(place)) => place.to_owned(),
            (Scheme::Torchvision | Scheme::Caffe, None) => format!("conv{}", index.outside),
            (Scheme::Keras, None) => format!("conv{}_conv", index.outside),
            (Scheme::TimmResnetv2, None) if index.outside == 1 => "stem.conv".to_owned(),
            (Scheme::TimmResnetv2, None) => format!("stem.conv{}", index.outside),
            (Scheme::HuggingFace, None) if index.outside == 1 => "resnet.embedder.embedder.convolution".to_owned(),
            (Scheme::HuggingFace, None) => format!("resnet.embedder.embedder.{}.convolution", index.outside),
        }
    }

    /// A normalisation outside the blocks of stages, at `place` in a graph; `named` when it has a name of its own.
    pub fn norm(&mut self, place: Option<&str>, named: bool) -> String {
        let index = self.count(1, named);
        match (self.scheme, place) {
            (Scheme::KerasNumbered, _) => counted("batch_normalization", index.unnamed),
            (_, Some(place)) => place.to_owned(),
            (Scheme::Torchvision, None) => format!("bn{}", index.outside),
            (Scheme::Keras, None) => format!("conv{}_bn", index.outside),
            (Scheme::Caffe, None) => format!("bn_conv{}", index.outside),
            (Scheme::TimmResnetv2, None) if index.outside == 1 => "norm".to_owned(),
            (Scheme::TimmResnetv2, None) => format!("norm{}", index.outside),
            (Scheme::HuggingFace, None) if index.outside == 1 => "resnet.embedder.embedder.normalization".to_owned(),
            (Scheme::HuggingFace, None) => format!("resnet.embedder.embedder.{}.normalization", index.outside),
        }
    }

    /// A dense layer, at `place` in a graph; `named` when it has a name of its own.
    pub fn dense(&mut self, place: Option<&str>, named: bool) -> String {
        let index = self.count(2, named);
        match (self.scheme, place) {
            (Scheme::KerasNumbered, _) => counted("dense", index.unnamed),
            (_, Some(place)) => place.to_owned(),
            (Scheme::Torchvision, None) => "fc".to_owned(),
            (Scheme::Keras, None) => "predictions".to_owned(),
            (Scheme::Caffe, None) => "fc1000".to_owned(),
            (Scheme::TimmResnetv2, None) => "head.fc".to_owned(),
            (Scheme::HuggingFace, None) => "classifier.1".to_owned(),
        }
    }

    /// A convolution of a block.
    pub fn block_conv(&mut self, id: BlockId, branch: Branch) -> String {
        self.unnamed[0] += 1;
        let block = self.block(id);
        let name = match (self.scheme, branch) {
            (Scheme::KerasNumbered, _) => counted("conv2d", self.unnamed[0]),
            (Scheme::Torchvision | Scheme::TimmResnetv2, Branch::Body(i)) => format!("{block}.conv{i}"),
            (Scheme::Torchvision, Branch::AverageShortcut) => format!("{block}.downsample.1"),
            (Scheme::Torchvision, Branch::Preactivation | Branch::Shortcut) => format!("{block}.downsample.0"),
            (Scheme::TimmResnetv2, _) => format!("{block}.downsample.conv"),
            (Scheme::HuggingFace, Branch::Body(i)) => format!("{block}.layer.{}.convolution", i - 1),
            (Scheme::HuggingFace, _) => format!("{block}.shortcut.convolution"),
            (Scheme::Keras, Branch::Body(i)) => format!("{block}_{i}_conv"),
            (Scheme::Keras, _) => format!("{block}_0_conv"),
            (Scheme::Caffe, branch) => format!("res{block}_{}", caffe_branch(branch)),
        };
        self.within_part(&name)
    }

    /// A normalisation of a block; those of blocks with pre-activation stand before their convolutions.
    pub fn block_norm(&mut self, id: BlockId, branch: Branch, preactivation: bool) -> String {
        self.unnamed[1] += 1;
        let block = self.block(id);
        let number = |i: usize| if preactivation { i + 1 } else { i };
        let name = match (self.scheme, branch) {
            (Scheme::KerasNumbered, _) => counted("batch_normalization", self.unnamed[1]),
            (Scheme::Torchvision, Branch::Preactivation) => format!("{block}.bn1"),
            (Scheme::Torchvision, Branch::Body(i)) => format!("{block}.bn{}", number(i)),
            (Scheme::Torchvision, Branch::Shortcut) => format!("{block}.downsample.1"),
            (Scheme::Torchvision, Branch::AverageShortcut) => format!("{block}.downsample.2"),
            (Scheme::TimmResnetv2, Branch::Preactivation) => format!("{block}.norm1"),
            (Scheme::TimmResnetv2, Branch::Body(i)) => format!("{block}.norm{}", number(i)),
            (Scheme::TimmResnetv2, _) => format!("{block}.downsample.norm"),
            (Scheme::HuggingFace, Branch::Preactivation) => format!("{block}.normalization"),
            (Scheme::HuggingFace, Branch::Body(i)) => format!("{block}.layer.{}.normalization", i - 1),
            (Scheme::HuggingFace, _) => format!("{block}.shortcut.normalization"),
            (Scheme::Keras, Branch::Preactivation) => format!("{block}_preact_bn"),
            (Scheme::Keras, Branch::Body(i)) => format!("{block}_{i}_bn"),
            (Scheme::Keras, _) => format!("{block}_0_bn"),
            (Scheme::Caffe, branch) => format!("bn{block}_{}", caffe_branch(branch)),
        };
        self.within_part(&name)
    }

    /// The first or second convolution of a block's squeeze-and-excitation.
    pub fn squeeze(&mut self, id: BlockId, number: usize) -> String {
        self.unnamed[0] += 1;
        let name = match self.scheme {
            Scheme::KerasNumbered => counted("conv2d", self.unnamed[0]),
            scheme => {
                let block = self.block(id);
                match scheme {
                    Scheme::Keras | Scheme::Caffe => format!("{block}_se_fc{number}"),
                    _ => format!("{block}.se.fc{number}"),
                }
            }
        };
        self.within_part(&name)
    }

    /// A layer of a block that has no tensors: `relu1`, `add`, `pad`.
    pub fn block_layer(&self, id: BlockId, what: &str) -> String {
        let block = self.block(id);
        let name = match self.scheme {
            Scheme::Torchvision | Scheme::KerasNumbered | Scheme::TimmResnetv2 | Scheme::HuggingFace => {
                format!("{block}.{what}")
            }
            Scheme::Keras => format!("{block}_{what}"),
            Scheme::Caffe => format!("res{block}_{what}"),
        };
        self.within_part(&name)
    }

    /// A block of a stage.
    pub fn block(&self, BlockId { stage, block }: BlockId) -> String {
        match self.scheme {
            Scheme::Torchvision => format!("layer{}.{block}", stage + 1),
            Scheme::Keras => format!("conv{}_block{}", stage + 2, block + 1),
            Scheme::KerasNumbered => format!("stage{}.block{}", stage + 1, block + 1),
            Scheme::TimmResnetv2 => format!("stages.{stage}.blocks.{block}"),
            Scheme::HuggingFace => format!("resnet.encoder.stages.{stage}.layers.{block}"),
            Scheme::Caffe => format!("{}{}", stage + 2, self.caffe_block(stage, block)),
        }
    }

    /// `a`, `b`, `c` and so on; in networks with a stage of more than six blocks (ResNet-101 and 152), stages of more than
    /// three blocks go `a`, `b1`, `b2` and so on.
    fn caffe_block(&self, stage: usize, block: usize) -> String {
        let long = self.depth.iter().any(|depth| *depth > 6) && self.depth.get(stage).is_some_and(|depth| *depth > 3);
        match (long, u8::try_from(block)) {
            (_, Ok(0)) => "a".to_owned(),
            (false, Ok(block @ 0..26)) => char::from(b'a' + block).to_string(),
            _ => format!("b{block}"),
        }
    }

    fn count(&mut self, kind: usize, named: bool) -> Index {
        let [outside, unnamed] = [&mut self.outside, &mut self.unnamed].map(|counts| counts.get_mut(kind));
        let (Some(outside), Some(unnamed)) = (outside, unnamed) else { return Index { outside: 0, unnamed: 0 } };
        *outside += 1;
        *unnamed += usize::from(!named);
        Index { outside: *outside, unnamed: *unnamed }
    }
}

/// The how manieth of its kind a layer is, from 1.
struct Index {
    outside: usize,
    unnamed: usize,
}

/// A tensor of a layer.
pub fn tensor(scheme: Scheme, layer: &str, role: Role) -> String {
    match scheme {
        Scheme::Torchvision | Scheme::TimmResnetv2 | Scheme::HuggingFace => format!("{layer}.{}", torch_leaf(role)),
        Scheme::Keras | Scheme::KerasNumbered => format!("{layer}/{}", keras_leaf(role)),
        Scheme::Caffe => match (role, layer.strip_prefix("bn")) {
            (Role::Gamma | Role::Beta, Some(rest)) => format!("scale{rest}.{}", torch_leaf(role)),
            _ => format!("{layer}.{}", torch_leaf(role)),
        },
    }
}

/// How kernels are laid out in files of a scheme.
pub fn axes(scheme: Scheme) -> Axes {
    match scheme {
        Scheme::Torchvision | Scheme::TimmResnetv2 | Scheme::HuggingFace | Scheme::Caffe => Axes::OutputFirst,
        Scheme::Keras | Scheme::KerasNumbered => Axes::OutputLast,
    }
}

/// The name of the how manieth layer of a class it is, from 1.
fn counted(name: &str, count: usize) -> String {
    match count {
        0 | 1 => name.to_owned(),
        count => format!("{name}_{}", count - 1),
    }
}

fn caffe_branch(branch: Branch) -> String {
    match branch {
        Branch::Shortcut | Branch::AverageShortcut => "branch1".to_owned(),
        Branch::Preactivation => "preact".to_owned(),
        Branch::Body(1) => "branch2a".to_owned(),
        Branch::Body(2) => "branch2b".to_owned(),
        Branch::Body(_) => "branch2c".to_owned(),
    }
}

fn torch_leaf(role: Role) -> &'static str {
    match role {
        Role::Kernel | Role::Gamma => "weight",
        Role::Bias | Role::Beta => "bias",
        Role::Mean => "running_mean",
        Role::Variance => "running_var",
    }
}

fn keras_leaf(role: Role) -> &'static str {
    match role {
        Role::Kernel => "kernel",
        Role::Bias => "bias",
        Role::Gamma => "gamma",
        Role::Beta => "beta",
        Role::Mean => "moving_mean",
        Role::Variance => "moving_variance",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(scheme: Scheme, depth: &[usize]) -> Names {
        Names { scheme, prefix: String::new(), depth: depth.to_vec(), outside: [0; 3], unnamed: [0; 3] }
    }

    #[test]
    fn caffe_letters_its_blocks_or_numbers_them() {
        let name = |depth: &[usize], stage, block| {
            names(Scheme::Caffe, depth).block_conv(BlockId { stage, block }, Branch::Body(1))
        };
        assert_eq!(name(&[3, 4, 6, 3], 2, 5), "res4f_branch2a");
        assert_eq!(name(&[3, 4, 23, 3], 2, 22), "res4b22_branch2a");
        assert_eq!(name(&[3, 4, 23, 3], 1, 3), "res3b3_branch2a");
        assert_eq!(name(&[3, 8, 36, 3], 3, 2), "res5c_branch2a");
        assert_eq!(tensor(Scheme::Caffe, "bn2a_branch1", Role::Gamma), "scale2a_branch1.weight");
        assert_eq!(tensor(Scheme::Caffe, "bn_conv1", Role::Beta), "scale_conv1.bias");
        assert_eq!(tensor(Scheme::Caffe, "bn_conv1", Role::Mean), "bn_conv1.running_mean");
    }

    #[test]
    fn keras_counts_unnamed_layers_in_order() {
        let mut names = names(Scheme::KerasNumbered, &[1]);
        assert_eq!(names.conv(None, false), "conv2d");
        names.conv(None, true);
        assert_eq!(names.conv(None, false), "conv2d_1");
        assert_eq!(names.norm(None, false), "batch_normalization");
    }

    #[test]
    fn parts_have_a_prefix() {
        let mut names = names(Scheme::Torchvision, &[1]);
        names.prefix = "backbone".to_owned();
        assert_eq!(
            names.block_conv(BlockId { stage: 0, block: 0 }, Branch::Shortcut),
            "backbone.layer1.0.downsample.0"
        );
    }
}
