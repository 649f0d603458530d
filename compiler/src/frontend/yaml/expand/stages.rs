//! The stages: which block stands where, and with what numbers.

use super::Expansion;
use super::frame::Frame;
use super::residual::Residual;
use super::unit::Call;
use crate::diagnostic::nearest;
use crate::frontend::yaml::expression::is_expression;
use crate::frontend::yaml::names::BlockId;
use crate::frontend::yaml::spec::{
    Argument, OneShortcut, ResidualBlock, Shortcut, ShortcutDetails, ShortcutKind, StageBlock, Stages, StrideAt,
};
use crate::limits;

/// A residual block has at most this many layers.
const MOST_PER_BLOCK: usize = 14;

/// The words for the blocks of the literature.
const RESIDUAL_BLOCKS: [&str; 4] = ["basic", "bottleneck", "preactivation_basic", "preactivation_bottleneck"];

impl Expansion<'_, '_> {
    /// Expands every stage; each one's result is named `stage1` and so on.
    pub(super) fn stages(&mut self, frame: &mut Frame, stages: &Stages) {
        self.lengths(stages);
        match &stages.block {
            StageBlock::Residual(block) => self.residual_keys(stages, *block),
            StageBlock::Own(name) => {
                self.own_keys(stages);
                self.own_exists(name);
            }
        }
        if self.problems.any() {
            return;
        }
        for (stage, ((depth, width), stride)) in stages.depth.iter().zip(&stages.width).zip(&stages.stride).enumerate()
        {
            for block in 0..*depth {
                let strided = match stages.stride_at {
                    StrideAt::First => block == 0,
                    StrideAt::Last => block + 1 == *depth,
                };
                let (id, stride) = (BlockId { stage, block }, if strided { *stride } else { 1 });
                match &stages.block {
                    StageBlock::Residual(kind) => self.residual(&Residual::new(stages, *kind, id, *width, stride)),
                    StageBlock::Own(name) => {
                        if self.own_block(frame, stages, name, id, [*width, stride]).is_none() {
                            return;
                        }
                    }
                }
                if self.problems.any() {
                    return;
                }
            }
            self.define(frame, &format!("stage{}", stage + 1), &format!("stages.depth[{stage}]"));
        }
    }

    fn lengths(&mut self, stages: &Stages) {
        let [depth, width, stride] = [&stages.depth, &stages.width, &stages.stride].map(Vec::len);
        for (key, length) in [("width", width), ("stride", stride)] {
            if length != depth {
                self.error("E-LEN", &format!("stages.{key}"), format!("{length} entries"))
                    .expected(format!("{depth} entries, as `stages.depth` has"));
            }
        }
        let blocks: usize = stages.depth.iter().sum();
        if blocks.saturating_mul(MOST_PER_BLOCK) > limits::SPEC_LAYERS.count() {
            self.error("E-RANGE", "stages.depth", format!("{blocks} blocks"))
                .expected(format!("at most {} in all", limits::SPEC_LAYERS.count() / MOST_PER_BLOCK));
        }
    }

    /// The keys of the literature's blocks.
    fn residual_keys(&mut self, stages: &Stages, block: ResidualBlock) {
        let bottleneck = matches!(block, ResidualBlock::Bottleneck | ResidualBlock::PreactivationBottleneck);
        let convs = if bottleneck { 3 } else { 2 };
        let numbers = stages.bias_on.iter().flatten().map(|number| ("bias_on", "E-ARG", *number));
        let pads = stages.zero_pad_on.iter().map(|number| ("zero_pad_on", "E-ARG", *number));
        let on = stages.stride_on.map(|number| ("stride_on", "E-STRIDE", number));
        for (key, code, number) in on.into_iter().chain(numbers).chain(pads) {
            if number == 0 || number > convs {
                self.error(code, &format!("stages.{key}"), format!("convolution {number} of a block that has {convs}"))
                    .expected(format!("1 to {convs}"));
            }
        }
        if !bottleneck {
            for (key, given) in [("groups", stages.groups != 1), ("base_width", stages.base_width != 64)] {
                if given {
                    self.error("E-GROUP", &format!("stages.{key}"), format!("basic blocks have no `{key}`"))
                        .hint("leave it out, or use `block: bottleneck`");
                }
            }
        }
        for (index, width) in stages.width.iter().enumerate() {
            if bottleneck && width * stages.base_width / 64 == 0 {
                self.error("E-GROUP", &format!("stages.width[{index}]"), "no channel is left inside the block")
                    .expected("`width * base_width / 64` of at least 1");
            }
        }
        if !stages.residual_scale.is_finite() {
            self.error("E-RANGE", "stages.residual_scale", "not a number").expected("a finite number");
        }
        if let Some((name, _)) = stages.arguments.0.first() {
            let path = format!("stages.arguments.{name}");
            self.error("E-ARG", &path, "the blocks of the literature have keys of their own, no arguments")
                .hint("leave it out, or name a block of `blocks` in `stages.block`");
        }
        self.shortcut_keys(stages, block);
    }

    fn shortcut_keys(&mut self, stages: &Stages, block: ResidualBlock) {
        let preactivation = matches!(block, ResidualBlock::PreactivationBasic | ResidualBlock::PreactivationBottleneck);
        let details: Vec<(String, ShortcutDetails)> = match stages.shortcut {
            Shortcut::Kind(_) => Vec::new(),
            Shortcut::Detailed(details) => vec![("stages.shortcut".to_owned(), details)],
            Shortcut::ByReason(by) => [("channels", by.channels), ("stride", by.stride)]
                .into_iter()
                .filter_map(|(reason, shortcut)| match shortcut {
                    OneShortcut::Kind(_) => None,
                    OneShortcut::Detailed(details) => Some((format!("stages.shortcut.{reason}"), details)),
                })
                .collect(),
        };
        for (path, details) in details {
            let projection = matches!(details.kind, ShortcutKind::Projection | ShortcutKind::AverageProjection);
            let given = [
                ("kernel", details.kernel.is_some()),
                ("batch_norm", details.batch_norm.is_some()),
                ("bias", details.bias.is_some()),
                ("from", details.from.is_some()),
            ];
            for (key, _) in given.iter().filter(|(_, given)| *given && !projection) {
                self.error("E-ARG", &format!("{path}.{key}"), "only a projection has parameters")
                    .hint("leave it out, or use `kind: projection`");
            }
            if details.from.is_some() && projection && !preactivation {
                self.error("E-SHORTCUT", &format!("{path}.from"), "there is no pre-activation before this block")
                    .hint("leave it out, or use a block with pre-activation");
            }
            if details.kernel.is_some_and(|kernel| kernel % 2 == 0) {
                self.error("E-PAD", &format!("{path}.kernel"), "a projection with an even kernel")
                    .expected("an odd kernel");
            }
        }
    }

    /// The keys that mean nothing to a block of the user's own.
    fn own_keys(&mut self, stages: &Stages) {
        let given = [
            ("stride_on", stages.stride_on.is_some()),
            ("base_width", stages.base_width != 64),
            ("bias_on", stages.bias_on.is_some()),
            ("zero_pad_on", !stages.zero_pad_on.is_empty()),
            ("squeeze_excitation", stages.squeeze_excitation.is_some()),
            ("residual_scale", stages.residual_scale != 1.0),
            ("shortcut", stages.shortcut != Shortcut::default()),
        ];
        for (key, _) in given.iter().filter(|(_, given)| *given) {
            self.error("E-ARG", &format!("stages.{key}"), format!("a block of your own has no `{key}`"))
                .hint("give the block a parameter for it, and its value in `stages.arguments`");
        }
    }

    fn own_exists(&mut self, name: &str) {
        let spec = std::rc::Rc::clone(&self.spec);
        if spec.blocks.get(name).is_some() {
            return;
        }
        let names: Vec<&str> = RESIDUAL_BLOCKS.into_iter().chain(spec.blocks.names()).collect();
        let problem = self
            .error("E-OP", "stages.block", format!("no block is called `{name}`"))
            .expected(format!("one of `{}`", names.join("`, `")));
        if let Some(near) = nearest(name, names) {
            problem.hint(format!("did you mean `{near}`?"));
        }
    }

    fn own_block(
        &mut self,
        frame: &Frame,
        stages: &Stages,
        name: &str,
        id: BlockId,
        [width, stride]: [usize; 2],
    ) -> Option<()> {
        let spec = std::rc::Rc::clone(&self.spec);
        let path = "stages.block";
        let counted = [
            ("width", width),
            ("channels", width * stages.expansion.unwrap_or(1)),
            ("stride", stride),
            ("groups", stages.groups),
            ("stage", id.stage + 1),
            ("block", id.block + 1),
        ];
        let known =
            |parameter: &str| spec.blocks.get(name).is_some_and(|block| block.parameters.get(parameter).is_some());
        let mut given: Vec<(String, Argument)> = counted
            .into_iter()
            .filter(|(parameter, _)| known(parameter))
            .map(|(parameter, count)| (parameter.to_owned(), Argument::Count(count)))
            .collect();
        for (parameter, argument) in &stages.arguments.0 {
            let argument = match argument {
                Argument::Text(text) if is_expression(text) => {
                    self.evaluate(frame, text, &format!("stages.arguments.{parameter}"))?
                }
                other => other.clone(),
            };
            given.retain(|(known, _)| known != parameter);
            given.push((parameter.clone(), argument));
        }
        let label = self.names.block(id);
        self.call(&Call { block: name, name: label, given: &given, index: id.block + 1, blocks: &[] }, path)
    }
}
