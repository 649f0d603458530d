//! What layers and their tensors are called, by naming scheme.

use super::spec::Scheme;
use crate::frontend::weights::{Axes, Role};

/// Gives names to layers in the order in which they are made.
#[derive(Debug, Clone)]
pub struct Names {
    scheme: Scheme,
    /// Blocks per stage.
    depth: Vec<usize>,
    convs: usize,
    norms: usize,
}

/// A block of a stage, both counted from 0.
#[derive(Debug, Clone, Copy)]
pub struct BlockId {
    /// The stage.
    pub stage: usize,
    /// The block within it.
    pub block: usize,
}

/// A place among the convolutions of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Branch {
    /// The convolution of this number in the residual branch, from 1.
    Body(usize),
    /// The projection.
    Shortcut,
}

impl Names {
    /// Names for a network with so many blocks per stage.
    pub fn new(scheme: Scheme, depth: &[usize]) -> Self {
        Self { scheme, depth: depth.to_vec(), convs: 0, norms: 0 }
    }

    /// A convolution outside the blocks; `index` counts those from 1.
    pub fn conv(&mut self, index: usize) -> String {
        let numbered = self.next_conv();
        match self.scheme {
            Scheme::Torchvision | Scheme::Caffe => format!("conv{index}"),
            Scheme::Keras => format!("conv{index}_conv"),
            Scheme::KerasNumbered => numbered,
        }
    }

    /// A normalisation outside the blocks; `index` counts those from 1.
    pub fn norm(&mut self, index: usize) -> String {
        let numbered = self.next_norm();
        match self.scheme {
            Scheme::Torchvision => format!("bn{index}"),
            Scheme::Keras => format!("conv{index}_bn"),
            Scheme::KerasNumbered => numbered,
            Scheme::Caffe => format!("bn_conv{index}"),
        }
    }

    /// A convolution of a block.
    pub fn block_conv(&mut self, id: BlockId, branch: Branch) -> String {
        let numbered = self.next_conv();
        let block = self.block(id);
        match (self.scheme, branch) {
            (Scheme::Torchvision, Branch::Body(i)) => format!("{block}.conv{i}"),
            (Scheme::Torchvision, Branch::Shortcut) => format!("{block}.downsample.0"),
            (Scheme::Keras, Branch::Body(i)) => format!("{block}_{i}_conv"),
            (Scheme::Keras, Branch::Shortcut) => format!("{block}_0_conv"),
            (Scheme::KerasNumbered, _) => numbered,
            (Scheme::Caffe, branch) => format!("res{block}_{}", caffe_branch(branch)),
        }
    }

    /// A normalisation of a block.
    pub fn block_norm(&mut self, id: BlockId, branch: Branch) -> String {
        let numbered = self.next_norm();
        let block = self.block(id);
        match (self.scheme, branch) {
            (Scheme::Torchvision, Branch::Body(i)) => format!("{block}.bn{i}"),
            (Scheme::Torchvision, Branch::Shortcut) => format!("{block}.downsample.1"),
            (Scheme::Keras, Branch::Body(i)) => format!("{block}_{i}_bn"),
            (Scheme::Keras, Branch::Shortcut) => format!("{block}_0_bn"),
            (Scheme::KerasNumbered, _) => numbered,
            (Scheme::Caffe, branch) => format!("bn{block}_{}", caffe_branch(branch)),
        }
    }

    /// A layer of a block that has no tensors: `relu1`, `add`, `pad`.
    pub fn block_layer(&self, id: BlockId, what: &str) -> String {
        let block = self.block(id);
        match self.scheme {
            Scheme::Torchvision | Scheme::KerasNumbered => format!("{block}.{what}"),
            Scheme::Keras => format!("{block}_{what}"),
            Scheme::Caffe => format!("res{block}_{what}"),
        }
    }

    /// The dense layer.
    pub fn dense(&self) -> &'static str {
        match self.scheme {
            Scheme::Torchvision => "fc",
            Scheme::Keras => "predictions",
            Scheme::KerasNumbered => "dense",
            Scheme::Caffe => "fc1000",
        }
    }

    /// A tensor of a layer.
    pub fn tensor(&self, layer: &str, role: Role) -> String {
        match self.scheme {
            Scheme::Torchvision => format!("{layer}.{}", torch_leaf(role)),
            Scheme::Keras | Scheme::KerasNumbered => format!("{layer}/{}", keras_leaf(role)),
            Scheme::Caffe => match (role, layer.strip_prefix("bn")) {
                (Role::Gamma | Role::Beta, Some(rest)) => format!("scale{rest}.{}", torch_leaf(role)),
                _ => format!("{layer}.{}", torch_leaf(role)),
            },
        }
    }

    /// How kernels are laid out in files of this scheme.
    pub fn axes(&self) -> Axes {
        match self.scheme {
            Scheme::Torchvision | Scheme::Caffe => Axes::OutputFirst,
            Scheme::Keras | Scheme::KerasNumbered => Axes::OutputLast,
        }
    }

    fn block(&self, BlockId { stage, block }: BlockId) -> String {
        match self.scheme {
            Scheme::Torchvision => format!("layer{}.{block}", stage + 1),
            Scheme::Keras => format!("conv{}_block{}", stage + 2, block + 1),
            Scheme::KerasNumbered => format!("stage{}.block{}", stage + 1, block + 1),
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

    fn next_conv(&mut self) -> String {
        self.convs += 1;
        counted("conv2d", self.convs)
    }

    fn next_norm(&mut self) -> String {
        self.norms += 1;
        counted("batch_normalization", self.norms)
    }
}

fn counted(name: &str, count: usize) -> String {
    if count == 1 { name.to_owned() } else { format!("{name}_{}", count - 1) }
}

fn caffe_branch(branch: Branch) -> String {
    match branch {
        Branch::Shortcut => "branch1".to_owned(),
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

    #[test]
    fn caffe_letters_its_blocks_or_numbers_them() {
        let name = |depth: &[usize], stage, block| {
            Names::new(Scheme::Caffe, depth).block_conv(BlockId { stage, block }, Branch::Body(1))
        };
        assert_eq!(name(&[3, 4, 6, 3], 2, 5), "res4f_branch2a");
        assert_eq!(name(&[3, 4, 23, 3], 2, 22), "res4b22_branch2a");
        assert_eq!(name(&[3, 4, 23, 3], 1, 3), "res3b3_branch2a");
        assert_eq!(name(&[3, 8, 36, 3], 3, 2), "res5c_branch2a");
        let names = Names::new(Scheme::Caffe, &[3]);
        assert_eq!(names.tensor("bn2a_branch1", Role::Gamma), "scale2a_branch1.weight");
        assert_eq!(names.tensor("bn_conv1", Role::Beta), "scale_conv1.bias");
        assert_eq!(names.tensor("bn_conv1", Role::Mean), "bn_conv1.running_mean");
    }

    #[test]
    fn keras_counts_unnamed_layers_in_order() {
        let mut names = Names::new(Scheme::KerasNumbered, &[1]);
        assert_eq!([names.conv(1), names.conv(2)], ["conv2d", "conv2d_1"]);
        assert_eq!(names.norm(1), "batch_normalization");
    }
}
