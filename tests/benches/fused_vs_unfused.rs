//! Whole networks as types of a crate, fused and unfused: with every pass, and without any that can be left out. One thread, weights of
//! a seed, on the instruction set that `RESNET_ISA` names or the fastest.
//!
//! `cargo bench -p resnet-tests --bench fused_vs_unfused -- cifar` measures one network, `-- --test` runs everything once.
//! Criterion times one type after the other; `resnetc bench` times programs by turns, and each pass alone.

use std::array::from_fn;
use std::collections::BTreeSet;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use resnet::{Options, Weights};
use resnetc::frontend::WeightSource;
use resnetc::passes::PASSES;
use resnetc::pipeline;

/// What the outputs may be apart, as a part of the largest.
const TOLERANCE: f32 = 1e-4;

/// The weights of a network, packed for the passes that run.
fn weights(model: &str, ran: &[&str]) -> Weights {
    let left_out: BTreeSet<String> =
        PASSES.iter().map(|pass| pass.name.to_owned()).filter(|pass| !ran.contains(&pass.as_str())).collect();
    let options = pipeline::Options {
        weights: Some(WeightSource::Seed(7)),
        disabled_passes: left_out,
        ..pipeline::Options::new(model)
    };
    let compiled = pipeline::compile(&options, &mut |_| ()).unwrap_or_else(|problems| panic!("{problems}"));
    Weights::from_bytes(&compiled.plan.blob())
}

/// Numbers from -1 to 1, the same in every run.
fn noise() -> impl FnMut() -> f32 {
    let mut state = 1_u64;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    }
}

fn check_passes(name: &str, ran: &[&str]) {
    let optional = |name: &&&str| PASSES.iter().any(|pass| pass.name == **name && pass.optional);
    let forgotten: Vec<_> = ran.iter().filter(optional).collect();
    assert!(forgotten.is_empty(), "{name} is not unfused: {forgotten:?} ran; put them into `without`");
}

fn check_outputs(name: &str, fused: &[f32], unfused: &[f32]) {
    let largest = unfused.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let apart = fused.iter().zip(unfused).fold(0.0_f32, |apart, (a, b)| apart.max((a - b).abs()));
    assert!(apart <= TOLERANCE * largest, "{name}: the outputs are {apart:e} apart, the largest is {largest:e}");
}

/// Declares a network per line: the function that measures it, its model, and the types of both programs.
macro_rules! networks {
    ($($function:ident $model:literal $fused:ident $unfused:ident)*) => {
        $(
            resnet::resnet! {
                /// With every pass.
                struct $fused {
                    model: $model,
                    weights: runtime,
                }
            }

            resnet::resnet! {
                /// Without any pass that can be left out.
                struct $unfused {
                    model: $model,
                    weights: runtime,
                    without: [
                        "fold_pad", "fold_scale", "fold_preprocess", "fold_batch_norm", "fuse_activation", "fuse_shortcut_add",
                        "fuse_projection", "merge_siblings", "fuse_pre_activation", "fuse_stem_pool", "fuse_global_pool",
                        "fuse_bottleneck",
                    ],
                }
            }

            fn $function(criterion: &mut Criterion) {
                check_passes($unfused::NAME, $unfused::NETWORK.passes);
                let options = Options { threads: Some(1) };
                let mut fused =
                    $fused::with_options(weights($model, $fused::NETWORK.passes), options).expect("its own weights");
                let mut unfused =
                    $unfused::with_options(weights($model, $unfused::NETWORK.passes), options).expect("its own weights");
                let mut next = noise();
                let input = Box::new(from_fn(|_| from_fn(|_| from_fn(|_| from_fn(|_| next())))));
                check_outputs($fused::NAME, &fused.infer(&input)[0], &unfused.infer(&input)[0]);
                let mut group = criterion.benchmark_group($fused::NAME);
                group.sample_size(20).measurement_time(Duration::from_secs(10));
                group.bench_function("fused", |bencher| bencher.iter(|| fused.infer(&input)[0][0]));
                group.bench_function("unfused", |bencher| bencher.iter(|| unfused.infer(&input)[0][0]));
                group.finish();
            }
        )*

        criterion_group!(benches, $($function),*);
    };
}

networks! {
    resnet18 "resnet18" ResNet18 ResNet18Unfused
    resnet50 "resnet50" ResNet50 ResNet50Unfused
    resnet50v2 "keras-resnet50v2" ResNet50V2 ResNet50V2Unfused
    cifar_resnet56 "cifar-resnet56" CifarResNet56 CifarResNet56Unfused
}

criterion_main!(benches);
