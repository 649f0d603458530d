//! What a user changes of a network without another spec: the arguments of Keras' constructors, and the results.

use resnetc::diagnostic::Diagnostics;
use resnetc::frontend::yaml::spec::{OutputActivation, Pooling};
use resnetc::frontend::{self, Changes, InputExtents, Network, Overrides, Resize, WeightSource};
use resnetc::ir::Op;

fn load(model: &str, structure: Overrides) -> Result<Network, Diagnostics> {
    let changes = Changes { structure, ..Changes::default() };
    frontend::load_with(model, Some(&WeightSource::Seed(7)), 1, &changes).map(|(network, _)| network)
}

fn outputs(network: &Network) -> Vec<(&str, &[usize])> {
    let graph = &network.graph;
    graph.outputs().iter().map(|output| (output.name.as_str(), graph.node(output.node).shape().0.as_slice())).collect()
}

fn refused(model: &str, structure: Overrides) -> String {
    load(model, structure).unwrap_err().to_string()
}

#[test]
fn the_head_is_left_out_with_what_belongs_to_it() {
    let without = || Overrides { include_top: Some(false), ..Overrides::default() };
    let network = load("keras-resnet50", without()).unwrap();
    assert_eq!(outputs(&network), [("output", [1, 2048, 7, 7].as_slice())]);
    assert!(network.labels.is_empty() && network.preprocess.is_some());
    for (pooling, name) in [(Pooling::Avg, "global_average_pool"), (Pooling::Max, "global_max_pool")] {
        let network = load("keras-resnet50v2", Overrides { pooling: Some(pooling), ..without() }).unwrap();
        assert_eq!(outputs(&network), [("output", [1, 2048].as_slice())]);
        let graph = &network.graph;
        let pools = graph.ids().filter(|id| graph.node(*id).op().name() == name).count();
        assert_eq!(pools, 1);
        // Keras' v2 has a normalisation behind the blocks that is no part of the head.
        assert!(graph.ids().any(|id| graph.node(id).name == "post_bn"));
    }
    let network = load(
        "keras-inception-resnet-v2",
        Overrides { input_shape: Some(InputExtents::Picture(None, [75, 150])), ..without() },
    )
    .unwrap();
    assert_eq!(outputs(&network), [("output", [1, 1536, 1, 3].as_slice())]);
}

#[test]
fn classes_and_what_the_classifier_applies_are_changed() {
    let few = load("keras-resnet50", Overrides { classes: Some(5), ..Overrides::default() }).unwrap();
    assert_eq!(outputs(&few), [("predictions", [1, 5].as_slice())]);
    assert!(few.labels.is_empty());
    let last = |network: &Network| network.graph.node(network.graph.outputs()[0].node).op().clone();
    assert_eq!(last(&few), Op::Softmax);
    for (activation, expected) in [(OutputActivation::None, "dense"), (OutputActivation::Sigmoid, "sigmoid")] {
        let structure = Overrides { classifier_activation: Some(activation), ..Overrides::default() };
        assert_eq!(last(&load("keras-resnet50", structure).unwrap()).name(), expected);
    }
    let same = load("resnet18", Overrides { classes: Some(1000), ..Overrides::default() }).unwrap();
    assert_eq!(same.labels.len(), 1000);
}

#[test]
fn the_input_is_of_any_size_the_network_allows() {
    let sized = |(channels, size)| Overrides {
        input_shape: Some(InputExtents::Picture(channels, size)),
        ..Overrides::default()
    };
    let network = load("resnet50", sized((None, [160, 160]))).unwrap();
    let rules = network.preprocess.unwrap();
    // 232 for 224 becomes 166 for 160.
    assert_eq!((rules.resize, rules.crop), (Resize::ShorterSide(166), Some([160, 160])));
    let network = load("resnet50", sized((None, [160, 192]))).unwrap();
    let graph = &network.graph;
    assert_eq!(graph.node(graph.inputs()[0]).shape().0, [1, 3, 160, 192]);
    let rules = network.preprocess.unwrap();
    assert_eq!((rules.resize, rules.crop), (Resize::Cover([165, 198]), Some([160, 192])));
    let grey = load("resnet18", sized((Some(1), [64, 64]))).unwrap();
    assert!(grey.preprocess.is_none());
    assert_eq!(grey.graph.node(grey.graph.inputs()[0]).shape().0, [1, 1, 64, 64]);
    let message = refused("keras-inception-resnet-v2", sized((None, [74, 74])));
    assert!(message.contains("E-SPATIAL") && message.contains("at least 75 x 75 pixels"), "{message}");
}

#[test]
fn several_values_are_the_results() {
    let names = ["stage1", "stage2", "stage3", "stage4", "embedding", "output"];
    let structure = Overrides { outputs: names.map(str::to_owned).to_vec(), ..Overrides::default() };
    let network = load("resnet18", structure).unwrap();
    let shapes: [&[usize]; 6] =
        [&[1, 64, 56, 56], &[1, 128, 28, 28], &[1, 256, 14, 14], &[1, 512, 7, 7], &[1, 512], &[1, 1000]];
    assert_eq!(outputs(&network), names.into_iter().zip(shapes).collect::<Vec<_>>());
    assert_eq!(network.labels.len(), 1000);
    let backbone = Overrides { outputs: vec!["stage3".to_owned()], ..Overrides::default() };
    assert!(load("resnet18", backbone).unwrap().labels.is_empty());
    let message = refused("resnet18", Overrides { outputs: vec!["stage5".to_owned()], ..Overrides::default() });
    assert!(message.contains("no value is called `stage5`") && message.contains("did you mean `stage1`?"), "{message}");
}

#[test]
fn changes_that_make_no_sense_are_told() {
    let message = refused("keras-resnet50", Overrides { pooling: Some(Pooling::Avg), ..Overrides::default() });
    assert_eq!(
        message,
        "error[E-ARG]: pooling: pooling stands in place of the head, which is a part of the network\n  hint: leave the head out with `include_top`, or leave `pooling` out"
    );
    let without = Overrides { include_top: Some(false), classes: Some(3), ..Overrides::default() };
    assert!(refused("keras-resnet50", without).contains("without its head the network has no `classes`"));
    assert!(refused("resnet18", Overrides { classes: Some(0), ..Overrides::default() }).contains("0 classes"));
}

#[test]
fn a_head_that_was_left_out_may_be_in_the_file() {
    // The file of the bundled network has its classifier.
    let changes = |include_top| Changes {
        structure: Overrides { include_top: Some(include_top), ..Overrides::default() },
        ..Changes::default()
    };
    let (network, _) = frontend::load_with("cifar-resnet20", None, 1, &changes(false)).unwrap();
    assert_eq!(outputs(&network), [("output", [1, 64, 8, 8].as_slice())]);
    assert!(network.graph.ids().all(|id| !network.graph.node(id).name.starts_with("fc")));
}
