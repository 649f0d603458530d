//! The decisions for a convolution that are worth measuring: those of the model, and others around them.

use super::choose::Layer;
use super::geometry::{Algorithm, ConvGeometry, Direct, Strassen, Winograd};
use super::{Decision, Kernel, Pixels, Tile, Tiles, tile};

/// At most so many are measured.
const MOST: usize = 13;
/// An algorithm that the model holds for so much slower than the best is measured in one form only.
const HOPELESS: f64 = 1.6;

impl Layer {
    /// The model's own decision.
    pub fn own(&self, exact: bool) -> Option<Decision> {
        self.candidates(exact).into_iter().next().map(Decision::from)
    }

    /// Decisions worth measuring on an instruction set, the model's own first. `kernel` is the layer as it was planned.
    pub fn variants(&self, kernel: &Kernel, exact: bool, isa: &str) -> Vec<Decision> {
        let Kernel::Conv { geometry, first_block, .. } = kernel else { return Vec::new() };
        let candidates = self.candidates(exact);
        let Some(own) = candidates.first().copied() else { return Vec::new() };
        let least = self.cost(own);
        // The model's form of each algorithm first, so that none falls behind the limit.
        let mut all: Vec<Decision> = candidates.iter().copied().map(Decision::from).collect();
        let (_, tile) = self.form(&Decision::from(own), geometry, first_block, isa);
        all.extend(
            [tile.pixels.div_ceil(2), tile.pixels - 1]
                .map(|most| Decision { algorithm: own, pixels: Pixels::of(isa, most) }),
        );
        let mut forms: Vec<Vec<Algorithm>> = candidates
            .into_iter()
            .filter(|algorithm| self.cost(*algorithm) < HOPELESS * least)
            .map(|algorithm| match algorithm {
                Algorithm::Direct(direct) => self.bands(direct),
                Algorithm::Winograd(winograd) => self.groups(winograd),
                Algorithm::Strassen(strassen) => self.bands_of_pairs(strassen),
                Algorithm::Grouped(_) => Vec::new(),
            })
            .collect();
        // One of each algorithm in turn.
        forms.iter_mut().for_each(|forms| forms.reverse());
        while forms.iter().any(|forms| !forms.is_empty()) {
            all.extend(forms.iter_mut().filter_map(Vec::pop).map(Decision::from));
        }
        let mut seen = Vec::new();
        all.retain(|decision| {
            let form = self.form(decision, geometry, first_block, isa);
            let new = self.refusals(decision).is_empty() && !seen.contains(&form);
            seen.push(form);
            new
        });
        all.truncate(MOST);
        all
    }

    /// Other bands and passes, the likely ones first.
    fn bands(&self, direct: Direct) -> Vec<Algorithm> {
        let (pixels, blocks) = (self.batch * self.pixels(), self.blocks());
        let Direct { band, depth, sums } = direct;
        let band = band.min(pixels);
        [
            (2 * band, depth),
            (band, 2 * depth),
            (band, blocks),
            (band / 2, depth),
            (2 * pixels, depth),
            (2 * band, 2 * depth),
            (band, depth.div_ceil(2)),
            (band / 2, 2 * depth),
            (2 * band, blocks),
            (2 * pixels, blocks),
        ]
        .map(|(band, depth)| Algorithm::Direct(Direct { band: band.max(1), depth: depth.min(blocks), sums }))
        .to_vec()
    }

    /// Other groups of tiles, the likely ones first.
    fn groups(&self, Winograd { outputs, group }: Winograd) -> Vec<Algorithm> {
        let tiles = self.tiles(outputs);
        [2 * group, group.div_ceil(2), 14, 28, tiles, 8, 16]
            .map(|group| Algorithm::Winograd(Winograd { outputs, group: group.min(tiles) }))
            .to_vec()
    }

    /// Other bands and passes, the likely ones first.
    fn bands_of_pairs(&self, Strassen { band, depth }: Strassen) -> Vec<Algorithm> {
        let (pairs, half) = (self.pairs(), self.blocks() / 2);
        [(2 * band, depth), (band.div_ceil(2), depth), (band, 2 * depth), (band, half), (pairs, depth), (pairs, half)]
            .into_iter()
            .filter(|(_, depth)| half.is_multiple_of(*depth))
            .map(|(band, depth)| Algorithm::Strassen(Strassen { band: band.min(pairs), depth }))
            .collect()
    }

    /// What a decision comes down to: two of the same form are the same program.
    fn form(&self, decision: &Decision, conv: &ConvGeometry, first_block: &[usize], isa: &str) -> (Algorithm, Tile) {
        let geometry = ConvGeometry { algorithm: decision.algorithm, ..*conv };
        let Tiles { avx512, avx2, neon, portable } = tile::tiles(&geometry, first_block, decision.pixels);
        let tile = match isa {
            "avx512" => avx512,
            "avx2" => avx2,
            "neon" => neon,
            _ => portable,
        };
        let algorithm = match decision.algorithm {
            Algorithm::Direct(Direct { band, depth, sums }) => {
                // Sums lie in memory between passes only; a band has no more pixels than there are.
                let sums = if depth < self.blocks() { sums } else { 0 };
                Algorithm::Direct(Direct { band: band.min(self.batch * self.pixels()), depth, sums })
            }
            other => other,
        };
        (algorithm, tile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontend::{self, WeightSource};
    use crate::passes;
    use crate::plan::{Settings, layers, plan};

    #[test]
    fn a_dozen_different_ones_with_the_models_own_first() {
        let (network, _) = frontend::load("cifar-resnet20", Some(&WeightSource::Seed(1)), 1).unwrap();
        let mut graph = network.graph;
        passes::run(&mut graph, &Default::default()).unwrap();
        for exact in [false, true] {
            let settings = Settings { exact, ..Settings::default() };
            let (plan, _) = plan(&graph, &settings).unwrap();
            let convs: Vec<_> = plan.steps.iter().filter(|step| matches!(step.kernel, Kernel::Conv { .. })).collect();
            let layers = layers(&graph);
            assert_eq!(convs.len(), layers.len());
            for ((_, layer), step) in layers.iter().zip(convs) {
                let Kernel::Conv { geometry, .. } = &step.kernel else { unreachable!() };
                for isa in ["avx512", "avx2", "neon", "portable"] {
                    let variants = layer.variants(&step.kernel, exact, isa);
                    assert!((2..=MOST).contains(&variants.len()), "{layer}: {variants:?}");
                    assert_eq!(variants[0].algorithm, geometry.algorithm);
                    assert_eq!(Some(variants[0]), layer.own(exact));
                    let winograd = variants.iter().any(|d| matches!(d.algorithm, Algorithm::Winograd(_)));
                    assert_eq!(winograd, !exact && !layer.winograd_tiles().is_empty(), "{layer}: {variants:?}");
                    for (index, variant) in variants.iter().enumerate() {
                        assert_eq!(layer.refusals(variant), []);
                        assert!(!variants[..index].contains(variant));
                    }
                }
            }
        }
    }
}
