//! Chains: lists of layers, each of which reads what the last one gave.

use super::frame::Frame;
use super::{ConvStep, Expansion, Padding, StepKind, Window, arguments};
use crate::frontend::yaml::spec::{
    BatchNorm, Conv, Dense, Extent, GroupNorm, Layer, LayerWith, Number, Padding as WrittenPadding, PlainLayer, Sources,
};

impl Expansion<'_, '_> {
    /// Expands the layers of a chain, which reads what is at hand. `place` is the beginning of their names, when they are not
    /// those of the stem or the head, which the naming scheme names.
    pub(super) fn chain(&mut self, frame: &mut Frame, layers: &[Layer], path: &str, place: Option<&str>) {
        for (index, layer) in layers.iter().enumerate() {
            let path = format!("{path}[{index}]");
            let place = place.map(|place| self.names.join(place, &index.to_string()));
            if !self.within_limit(&path) {
                return;
            }
            match layer {
                Layer::Plain(layer) => self.plain(*layer, &path, place.as_deref()),
                // A layer whose arguments are wrong leaves no step; what is wrong has been told.
                Layer::With(layer) => {
                    let _ = self.with(frame, layer, &path, place.as_deref());
                }
            }
        }
    }

    fn plain(&mut self, layer: PlainLayer, path: &str, place: Option<&str>) {
        let named = |word: &'static str| place.map_or_else(|| word.to_owned(), str::to_owned);
        match layer {
            PlainLayer::BatchNorm => self.batch_norm(&BatchNorm::default(), None, path, place),
            PlainLayer::GroupNorm => self.group_norm(&GroupNorm::default(), None, path, place),
            PlainLayer::Activation => {
                if let Some(kind) = arguments::activation(self.spec.defaults.activation) {
                    self.then(&named("activation"), StepKind::Activation(kind), path);
                }
            }
            PlainLayer::GlobalAveragePool => {
                self.then(&named("global_average_pool"), StepKind::GlobalAveragePool, path);
            }
            PlainLayer::GlobalMaxPool => self.then(&named("global_max_pool"), StepKind::GlobalMaxPool, path),
            PlainLayer::Flatten => self.then(&named("flatten"), StepKind::Flatten, path),
            PlainLayer::Softmax => self.then(&named("softmax"), StepKind::Softmax, path),
            PlainLayer::Concat => {
                let reads = std::mem::take(&mut self.current);
                self.push(named("concat"), StepKind::Concat, reads, path);
            }
            PlainLayer::Add => self.join(&named("add"), &StepKind::Add, path),
            PlainLayer::Multiply => self.join(&named("multiply"), &StepKind::Multiply, path),
        }
    }

    /// Joins the values at hand two by two, from the first.
    fn join(&mut self, name: &str, kind: &StepKind, path: &str) {
        let mut reads = std::mem::take(&mut self.current).into_iter();
        let Some(first) = reads.next() else { return };
        if reads.len() == 0 {
            self.error("E-REF", path, "this joins several values, one is at hand")
                .hint("say which with `from: [a, b]` before it");
            return;
        }
        self.current = vec![first];
        for other in reads {
            if let Some(sum) = self.single(path) {
                self.push(name.to_owned(), kind.clone(), vec![sum, other], path);
            }
        }
    }

    /// `None` when the layer's arguments are wrong, which has been told.
    fn with(&mut self, frame: &mut Frame, layer: &LayerWith, path: &str, place: Option<&str>) -> Option<()> {
        let named = |word: &'static str| place.map_or_else(|| word.to_owned(), str::to_owned);
        match layer {
            LayerWith::From(sources) => self.from(frame, sources, &format!("{path}.from")),
            LayerWith::As(name) => {
                let path = format!("{path}.as");
                self.define(frame, name, &path);
                // A name for others to use is no value that must be read.
                frame.mark(name);
            }
            LayerWith::Conv(conv) => self.conv(frame, conv, &format!("{path}.conv"), place)?,
            LayerWith::BatchNorm(norm) => {
                let path = format!("{path}.batch_norm");
                let name = match &norm.name {
                    Some(name) => Some(self.text(frame, name, &format!("{path}.name"))?),
                    None => None,
                };
                self.batch_norm(norm, name.as_deref(), &path, place);
            }
            LayerWith::GroupNorm(norm) => {
                let path = format!("{path}.group_norm");
                let name = match &norm.name {
                    Some(name) => Some(self.text(frame, name, &format!("{path}.name"))?),
                    None => None,
                };
                self.group_norm(norm, name.as_deref(), &path, place);
            }
            LayerWith::Activation(choice) => {
                if let Some(kind) = self.activation(frame, choice, &format!("{path}.activation"))? {
                    self.then(&named("activation"), StepKind::Activation(kind), path);
                }
            }
            LayerWith::MaxPool(pool) => {
                let path = format!("{path}.max_pool");
                let extents = [&pool.kernel, pool.stride.as_ref().unwrap_or(&pool.kernel)];
                let window = self.window(frame, extents, &pool.padding, &path)?;
                let window = Window { ceil_mode: pool.ceil_mode, ..window };
                self.then(&named("max_pool"), StepKind::MaxPool(window), &path);
            }
            LayerWith::AveragePool(pool) => {
                let path = format!("{path}.average_pool");
                let extents = [&pool.kernel, pool.stride.as_ref().unwrap_or(&pool.kernel)];
                let window = self.window(frame, extents, &pool.padding, &path)?;
                let window = Window { ceil_mode: pool.ceil_mode, ..window };
                let kind = StepKind::AveragePool { window, count_include_padding: pool.count_include_padding };
                self.then(&named("average_pool"), kind, &path);
            }
            LayerWith::ZeroPad(padding) => {
                let path = format!("{path}.zero_pad");
                let sides = self.zero_padding(frame, padding, &path)?;
                self.then(&named("zero_pad"), StepKind::ZeroPad(sides), &path);
            }
            LayerWith::Subsample(stride) => {
                let path = format!("{path}.subsample");
                let stride = self.count(frame, stride, &path)?;
                self.then(&named("subsample"), StepKind::Subsample(stride), &path);
            }
            LayerWith::PadChannels([before, behind]) => {
                let path = format!("{path}.pad_channels");
                let channels = [self.count(frame, before, &path)?, self.count(frame, behind, &path)?];
                self.then(&named("pad_channels"), StepKind::PadChannels(channels), &path);
            }
            LayerWith::Slice([begin, end]) => {
                let path = format!("{path}.slice");
                let channels = [self.count(frame, begin, &path)?, self.count(frame, end, &path)?];
                self.then(&named("slice"), StepKind::Slice(channels), &path);
            }
            LayerWith::Scale(factor) => {
                let path = format!("{path}.scale");
                let factor = self.number(frame, factor, &path)?;
                self.then(&named("scale"), StepKind::Scale(factor), &path);
            }
            LayerWith::Dense(dense) => self.dense(frame, dense, &format!("{path}.dense"), place)?,
            LayerWith::Dropout(rate) => self.dropout(frame, rate, &format!("{path}.dropout"))?,
            LayerWith::Block(block) => self.block_use(frame, block, &format!("{path}.block"), place)?,
            LayerWith::Network(network) => self.network(frame, network, &format!("{path}.network"))?,
        }
        Some(())
    }

    fn from(&mut self, frame: &mut Frame, sources: &Sources, path: &str) {
        let names = match sources {
            Sources::One(name) => std::slice::from_ref(name),
            Sources::Several(names) => names,
        };
        self.current.clear();
        for name in names {
            if let Some(value) = self.value_named(frame, name, path) {
                self.current.push(value);
            }
        }
        if self.current.len() != names.len() {
            self.current.clear();
        }
    }

    fn dropout(&mut self, frame: &Frame, rate: &Number, path: &str) -> Option<()> {
        let rate = self.number(frame, rate, path)?;
        if !(0.0..1.0).contains(&rate) {
            self.error("E-RANGE", path, format!("a dropout of {rate}")).expected("0 or more, less than 1");
        }
        Some(())
    }

    fn conv(&mut self, frame: &Frame, conv: &Conv, path: &str, place: Option<&str>) -> Option<()> {
        let padding = conv.padding.clone().unwrap_or_else(|| self.spec.defaults.conv.padding.clone());
        let padding_path = if conv.padding.is_some() { format!("{path}.padding") } else { path.to_owned() };
        let step = ConvStep {
            channels: self.count(frame, &conv.channels, &format!("{path}.channels"))?,
            kernel: self.extent(frame, &conv.kernel, &format!("{path}.kernel"))?,
            stride: self.extent(frame, &conv.stride, &format!("{path}.stride"))?,
            padding: self.padding(frame, &padding, &padding_path)?,
            dilation: self.extent(frame, &conv.dilation, &format!("{path}.dilation"))?,
            groups: self.count(frame, &conv.groups, &format!("{path}.groups"))?,
            bias: match &conv.bias {
                Some(bias) => self.flag(frame, bias, &format!("{path}.bias"))?,
                None => self.spec.defaults.conv.bias,
            },
            weight_standardization: self.spec.defaults.conv.weight_standardization,
        };
        let scheme = self.names.conv(place, conv.name.is_some());
        let name = match &conv.name {
            Some(name) => self.text(frame, name, &format!("{path}.name"))?,
            None => scheme,
        };
        let name = self.names.within_part(&name);
        self.then(&name, StepKind::Conv(step), path);
        Some(())
    }

    fn batch_norm(&mut self, norm: &BatchNorm, name: Option<&str>, path: &str, place: Option<&str>) {
        let defaults = &self.spec.defaults.batch_norm;
        let (epsilon, gamma) = (norm.epsilon.unwrap_or(defaults.epsilon), norm.gamma.unwrap_or(defaults.gamma));
        let scheme = self.names.norm(place, name.is_some());
        let name = self.names.within_part(name.unwrap_or(&scheme));
        self.then(&name, StepKind::BatchNorm { epsilon, gamma }, path);
    }

    fn group_norm(&mut self, norm: &GroupNorm, name: Option<&str>, path: &str, place: Option<&str>) {
        let defaults = self.spec.defaults.group_norm.clone().unwrap_or_default();
        let (groups, epsilon) = (norm.groups.unwrap_or(defaults.groups), norm.epsilon.unwrap_or(defaults.epsilon));
        let scheme = self.names.norm(place, name.is_some());
        let name = self.names.within_part(name.unwrap_or(&scheme));
        self.then(&name, StepKind::GroupNorm { groups, epsilon }, path);
    }

    fn dense(&mut self, frame: &Frame, dense: &Dense, path: &str, place: Option<&str>) -> Option<()> {
        let units = self.count(frame, &dense.units, &format!("{path}.units"))?;
        let scheme = self.names.dense(place, dense.name.is_some());
        let name = match &dense.name {
            Some(name) => self.text(frame, name, &format!("{path}.name"))?,
            None => scheme,
        };
        let name = self.names.within_part(&name);
        self.then(&name, StepKind::Dense { units, bias: dense.bias }, path);
        Some(())
    }

    /// A pooling window; its stride is its kernel when not given.
    fn window(
        &mut self,
        frame: &Frame,
        [kernel, stride]: [&Extent; 2],
        padding: &WrittenPadding,
        path: &str,
    ) -> Option<Window> {
        Some(Window {
            kernel: self.extent(frame, kernel, &format!("{path}.kernel"))?,
            stride: self.extent(frame, stride, &format!("{path}.stride"))?,
            padding: self.padding(frame, padding, &format!("{path}.padding"))?,
            ceil_mode: false,
        })
    }

    /// A mean over windows of `stride` without padding, as ResNet-D has before a projection.
    pub(super) fn mean_of(stride: usize) -> StepKind {
        let window = Window { kernel: [stride; 2], stride: [stride; 2], padding: Padding::All(0), ceil_mode: true };
        StepKind::AveragePool { window, count_include_padding: false }
    }
}
