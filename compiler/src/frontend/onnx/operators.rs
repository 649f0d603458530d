//! Which function takes which operator.

use super::attributes::Node;
use super::importer::{Importer, Outcome};
use super::{activation, convolution, elementwise, fold, linear, norm, pool, shape, slice};

/// Takes a node whose inputs are known.
pub(super) type Operator = for<'m> fn(&mut Importer<'m>, &Node<'m>) -> Outcome;

/// The function for an operator of the standard, if it is supported.
pub(super) fn find(operator: &str) -> Option<Operator> {
    Some(match operator {
        "Conv" => convolution::conv,
        "BatchNormalization" => norm::batch_normalization,
        "GroupNormalization" => norm::group_normalization,
        "InstanceNormalization" => norm::instance_normalization,
        "Dropout" => norm::dropout,
        "Relu" => activation::relu,
        "Clip" => activation::clip,
        "Sigmoid" => activation::sigmoid,
        "HardSigmoid" => activation::hard_sigmoid,
        "HardSwish" => activation::hard_swish,
        "Swish" => activation::swish,
        "Tanh" => activation::tanh,
        "Add" => elementwise::add,
        "Sub" => elementwise::sub,
        "Mul" => elementwise::mul,
        "Div" => elementwise::div,
        "Sum" => elementwise::sum,
        "MaxPool" => pool::max_pool,
        "AveragePool" => pool::average_pool,
        "GlobalAveragePool" => pool::global_average_pool,
        "GlobalMaxPool" => pool::global_max_pool,
        "ReduceMean" => pool::reduce_mean,
        "ReduceMax" => pool::reduce_max,
        "Gemm" => linear::gemm,
        "MatMul" => linear::mat_mul,
        "Softmax" => linear::softmax,
        "Identity" => shape::identity,
        "Cast" | "CastLike" => shape::cast,
        "Reshape" => shape::reshape,
        "Flatten" => shape::flatten,
        "Squeeze" => shape::squeeze,
        "Unsqueeze" => shape::unsqueeze,
        "Transpose" => shape::transpose,
        "Shape" => shape::shape,
        "Slice" => slice::slice,
        "Split" => slice::split,
        "Pad" => slice::pad,
        "Concat" => slice::concat,
        "Constant" => fold::constant,
        "ConstantOfShape" => fold::constant_of_shape,
        "Gather" => fold::gather,
        "Expand" => fold::expand,
        "Range" => fold::range,
        _ => return None,
    })
}
