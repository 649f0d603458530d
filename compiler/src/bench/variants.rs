//! Which programs show what each pass is worth, and what their times say about it.

use std::collections::BTreeSet;

use super::report::{Interval, Role, Timing};
use super::statistics::{interval, median};

/// A program that is worth timing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Why.
    pub role: Role,
    /// The passes that do not run.
    pub disabled: BTreeSet<String>,
    /// The place of the selection to which it adds a pass or from which it takes one; its own for the first.
    pub neighbour: usize,
}

/// The selections for some passes, in the order they run: none of them, one more each time until all run, and all but one.
/// Those in `off` never run.
pub fn selections(passes: &[&str], off: &BTreeSet<String>) -> Vec<Selection> {
    let without =
        |left_out: &[&str]| off.iter().cloned().chain(left_out.iter().map(|pass| (*pass).to_owned())).collect();
    let mut selections = vec![Selection { role: Role::Unfused, disabled: without(passes), neighbour: 0 }];
    for (index, pass) in passes.iter().enumerate() {
        let rest = passes.get(index + 1..).unwrap_or_default();
        let role = if rest.is_empty() { Role::Full } else { Role::Added((*pass).to_owned()) };
        selections.push(Selection { role, disabled: without(rest), neighbour: index });
    }
    let full = passes.len();
    for pass in passes {
        selections.push(Selection {
            role: Role::Without((*pass).to_owned()),
            disabled: without(&[*pass]),
            neighbour: full,
        });
    }
    selections
}

/// What the times of programs say about the variants of a batch. `first` is the place of the first among all variants; of each variant
/// there is its neighbour, counted from there, and its program, an index of `times`: milliseconds, round by round. Variants with one
/// program take the same time exactly.
pub fn timings(first: usize, variants: &[(usize, usize)], times: &[Vec<f64>]) -> Vec<Timing> {
    let rounds = |program: usize| times.get(program).map_or(&[][..], Vec::as_slice);
    let against = |program: usize, other: Option<usize>| match other {
        Some(other) if other != program => {
            let ratios: Vec<f64> =
                rounds(program).iter().zip(rounds(other)).map(|(time, other)| time / other).collect();
            interval(&ratios)
        }
        _ => Interval::ONE,
    };
    let program_of = |variant: usize| variants.get(variant).map(|(_, program)| *program);
    variants
        .iter()
        .enumerate()
        .map(|(place, (neighbour, program))| Timing {
            variant: first + place,
            median: median(rounds(*program).to_vec()),
            least: rounds(*program).iter().copied().min_by(f64::total_cmp).unwrap_or_default(),
            rounds: rounds(*program).len(),
            against_unfused: against(*program, program_of(0)),
            against_neighbour: against(*program, program_of(*neighbour)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pass_is_added_once_and_left_out_once() {
        let off = BTreeSet::from(["off".to_owned()]);
        let shown: Vec<String> = selections(&["a", "b", "c"], &off)
            .iter()
            .map(|Selection { role, disabled, neighbour }| format!("{role:?} {disabled:?} {neighbour}"))
            .collect();
        assert_eq!(
            shown,
            [
                r#"Unfused {"a", "b", "c", "off"} 0"#,
                r#"Added("a") {"b", "c", "off"} 0"#,
                r#"Added("b") {"c", "off"} 1"#,
                r#"Full {"off"} 2"#,
                r#"Without("a") {"a", "off"} 3"#,
                r#"Without("b") {"b", "off"} 3"#,
                r#"Without("c") {"c", "off"} 3"#,
            ]
        );
        let roles: Vec<Role> = selections(&["a"], &off).into_iter().map(|selection| selection.role).collect();
        assert_eq!(roles, [Role::Unfused, Role::Full, Role::Without("a".to_owned())]);
    }

    #[test]
    fn ratios_are_of_the_same_round_and_one_program_is_no_change() {
        let times = [vec![10.0, 20.0, 10.0], vec![5.0, 10.0, 6.0], vec![4.0, 8.0, 4.0]];
        // The second variant changes nothing, the last is the third with a pass less.
        let timings = timings(7, &[(0, 0), (0, 0), (1, 2), (2, 1)], &times);
        assert_eq!(timings.iter().map(|timing| timing.variant).collect::<Vec<_>>(), [7, 8, 9, 10]);
        assert_eq!((timings[0].median, timings[0].least, timings[0].rounds), (10.0, 10.0, 3));
        assert_eq!([timings[0].against_unfused, timings[1].against_neighbour], [Interval::ONE; 2]);
        assert_eq!(timings[2].against_neighbour, Interval { median: 0.4, low: 0.4, high: 0.4 });
        assert_eq!(timings[3].against_unfused, Interval { median: 0.5, low: 0.5, high: 0.6 });
        assert_eq!(timings[3].against_neighbour, Interval { median: 1.25, low: 1.25, high: 1.5 });
    }
}
