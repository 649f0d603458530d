//! Finds the hot loops in the machine code of an x86-64 function, and what goes through the stack in them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use iced_x86::{Decoder, DecoderOptions, FastFormatter, Instruction, Mnemonic, OpKind, Register};

/// A loop with fewer multiply-adds than this is not a kernel's: the smallest is that of a dense layer, a vector of units in four strands.
const LEAST: usize = 4;

/// A loop that does nothing but add up products: at least [`LEAST`] packed multiply-adds, and no vector is written anywhere but to a
/// fixed place on the stack.
///
/// That is what the multiplying loops of all kernels are, whatever their tile: they read weights and inputs, and their sums stay in
/// registers until the loop has ended. The transforms of Winograd's filtering are not: they hold multiply-adds too, and on AVX2 more values
/// than there are registers, so that some go through the stack by design; but each of their iterations writes results.
///
/// The instructions are the loop's own, those of loops inside of it left out: the loop of a kernel may hold a small one that prefetches.
pub struct HotLoop {
    /// Bits of the vectors it multiplies.
    pub width: usize,
    /// Packed multiply-adds per iteration.
    pub multiply_adds: usize,
    /// Instructions that read or write a vector on the stack.
    pub spills: usize,
    /// Its address and a line per instruction; those that spill are marked.
    pub listing: String,
}

/// The hot loops of a function, given its code and address.
pub fn hot_loops(code: &[u8], address: u64) -> Vec<HotLoop> {
    let instructions: Vec<Instruction> =
        Decoder::with_ip(64, code, address, DecoderOptions::NONE).into_iter().collect();
    // A function that has a frame pointer makes it from the stack pointer.
    let framed = instructions.iter().any(|instruction| {
        instruction.mnemonic() == Mnemonic::Mov
            && instruction.op0_register() == Register::RBP
            && instruction.op1_register() == Register::RSP
    });
    let on_stack = |instruction: &Instruction| match instruction.memory_base() {
        Register::RSP => true,
        Register::RBP => framed,
        _ => false,
    };
    let own = Blocks::of(&instructions).loops();
    own.into_iter().filter_map(|own| hot(own.iter().map(|index| &instructions[*index]), on_stack)).collect()
}

fn hot<'a>(
    own: impl Iterator<Item = &'a Instruction> + Clone,
    on_stack: impl Fn(&Instruction) -> bool,
) -> Option<HotLoop> {
    let widths = own.clone().filter(|instruction| is_multiply_add(instruction)).map(width);
    let (multiply_adds, width) = (widths.clone().count(), widths.max()?);
    let writes = |instruction: &Instruction| {
        let fixed = on_stack(instruction) && instruction.memory_index() == Register::None;
        instruction.op0_kind() == OpKind::Memory && has_vector(instruction) && !fixed
    };
    if multiply_adds < LEAST || own.clone().any(writes) {
        return None;
    }
    let (mut spills, mut listing) = (0, String::new());
    let mut formatter = FastFormatter::new();
    for instruction in own {
        let spilt = on_stack(instruction) && has_vector(instruction);
        spills += usize::from(spilt);
        let mut text = String::new();
        formatter.format(instruction, &mut text);
        let _ = writeln!(listing, "{} {:8x}  {text}", if spilt { "=>" } else { "  " }, instruction.ip());
    }
    Some(HotLoop { width, multiply_adds, spills, listing })
}

fn is_multiply_add(instruction: &Instruction) -> bool {
    matches!(instruction.mnemonic(), Mnemonic::Vfmadd132ps | Mnemonic::Vfmadd213ps | Mnemonic::Vfmadd231ps)
}

/// Bits of the first operand, a vector register.
fn width(instruction: &Instruction) -> usize {
    match instruction.op0_register() {
        register if register >= Register::ZMM0 => 512,
        register if register >= Register::YMM0 => 256,
        _ => 128,
    }
}

fn has_vector(instruction: &Instruction) -> bool {
    (0..instruction.op_count())
        .any(|index| (Register::XMM0..=Register::ZMM31).contains(&instruction.op_register(index)))
}

/// The flow of control of a function, by basic blocks.
struct Blocks {
    /// The first instruction of each block, and the number of instructions.
    bounds: Vec<usize>,
    successors: Vec<Vec<usize>>,
}

impl Blocks {
    fn of(instructions: &[Instruction]) -> Self {
        let index_of: BTreeMap<u64, usize> =
            instructions.iter().enumerate().map(|(index, instruction)| (instruction.ip(), index)).collect();
        let jumps = |instruction: &Instruction| {
            instruction.op0_kind() == OpKind::NearBranch64 && instruction.mnemonic() != Mnemonic::Call
        };
        let target = |instruction: &Instruction| {
            jumps(instruction).then(|| index_of.get(&instruction.near_branch_target()).copied()).flatten()
        };
        let ends =
            |instruction: &Instruction| matches!(instruction.mnemonic(), Mnemonic::Jmp | Mnemonic::Ret | Mnemonic::Ud2);
        let mut starts = BTreeSet::from([0, instructions.len()]);
        for (index, instruction) in instructions.iter().enumerate() {
            if jumps(instruction) || ends(instruction) {
                starts.insert(index + 1);
                starts.extend(target(instruction));
            }
        }
        let bounds: Vec<usize> = starts.into_iter().collect();
        let mut successors: Vec<Vec<usize>> = bounds
            .windows(2)
            .map(|block| {
                let last = &instructions[block[1] - 1];
                let next = (!ends(last) && block[1] < instructions.len()).then_some(block[1]);
                let starts = target(last).into_iter().chain(next);
                starts.map(|start| bounds.partition_point(|bound| *bound < start)).collect()
            })
            .collect();
        // A table of jumps leads to what nothing else leads to.
        let (mut reached, mut others) = (BTreeSet::new(), Vec::new());
        for block in 0..successors.len() {
            if !reached.contains(&block) {
                others.extend((block > 0).then_some(block));
                reached.extend(reach(block, &successors, None));
            }
        }
        for (block, successors) in successors.iter_mut().enumerate() {
            let last = &instructions[bounds[block + 1] - 1];
            if last.mnemonic() == Mnemonic::Jmp && !jumps(last) {
                successors.extend(&others);
            }
        }
        Self { bounds, successors }
    }

    /// The instructions of each loop, in order, those of loops inside of it left out.
    fn loops(&self) -> Vec<Vec<usize>> {
        let bodies = self.bodies();
        let own = bodies.iter().map(|(header, body)| {
            let inner = bodies.iter().filter(|(other, _)| *other != header && body.contains(other));
            let inside: BTreeSet<usize> = inner.flat_map(|(_, body)| body.iter().copied()).collect();
            body.difference(&inside).flat_map(|block| self.bounds[*block]..self.bounds[block + 1]).collect()
        });
        own.collect()
    }

    /// The blocks of each loop, by the block that it is entered through. An edge closes a loop when every way to where it starts leads
    /// through where it ends.
    fn bodies(&self) -> BTreeMap<usize, BTreeSet<usize>> {
        let mut predecessors = vec![Vec::new(); self.successors.len()];
        for (block, successors) in self.successors.iter().enumerate() {
            for successor in successors {
                predecessors[*successor].push(block);
            }
        }
        let reached = reach(0, &self.successors, None);
        let mut bodies: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for (header, sources) in predecessors.iter().enumerate() {
            let around = reach(0, &self.successors, Some(header));
            for source in sources.iter().filter(|source| reached.contains(source) && !around.contains(source)) {
                let mut body = reach(*source, &predecessors, Some(header));
                body.insert(header);
                bodies.entry(header).or_default().extend(body.intersection(&reached));
            }
        }
        bodies
    }
}

/// The blocks that `edges` lead to from a block, itself included, on ways that avoid another.
fn reach(from: usize, edges: &[Vec<usize>], avoided: Option<usize>) -> BTreeSet<usize> {
    let (mut reached, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(block) = open.pop() {
        if Some(block) != avoided && reached.insert(block) {
            open.extend(&edges[block]);
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `vfmadd231ps ymm0..ymm7, ymm8, ymm9`
    fn multiply_adds(count: u8) -> Vec<u8> {
        (0..count).flat_map(|register| [0xc4, 0xc2, 0x3d, 0xb8, 0xc1 | register << 3]).collect()
    }

    /// `vfmadd231ps zmm0..zmm7, zmm8, zmm9`
    fn wide_multiply_adds(count: u8) -> Vec<u8> {
        (0..count).flat_map(|register| [0x62, 0xd2, 0x3d, 0x48, 0xb8, 0xc1 | register << 3]).collect()
    }

    /// `vmovups ymm8, [rsi]`
    const LOAD: [u8; 4] = [0xc5, 0x7c, 0x10, 0x06];
    /// `vmovups [rdi], ymm0`
    const STORE: [u8; 4] = [0xc5, 0xfc, 0x11, 0x07];
    /// `vmovups [rsp+40h], ymm0`
    const SPILL: [u8; 6] = [0xc5, 0xfc, 0x11, 0x44, 0x24, 0x40];
    /// `vmovups ymm0, [rsp+40h]`
    const RELOAD: [u8; 6] = [0xc5, 0xfc, 0x10, 0x44, 0x24, 0x40];
    /// `vmovups zmm0, [rsp+40h]`
    const WIDE_RELOAD: [u8; 8] = [0x62, 0xf1, 0x7c, 0x48, 0x10, 0x44, 0x24, 0x01];
    /// `vfmadd231ps ymm0, ymm8, [rsp+40h]`
    const MULTIPLY_RELOADED: [u8; 7] = [0xc4, 0xe2, 0x3d, 0xb8, 0x44, 0x24, 0x40];
    /// `vmovups ymm0, [rbp+40h]`
    const LOAD_BY_FRAME: [u8; 5] = [0xc5, 0xfc, 0x10, 0x45, 0x40];
    /// `mov rbp, rsp`
    const FRAME: [u8; 3] = [0x48, 0x89, 0xe5];
    /// `vmovups [rsp+rax*4+40h], ymm0`
    const STORE_IN_ARRAY: [u8; 6] = [0xc5, 0xfc, 0x11, 0x44, 0x84, 0x40];
    /// `mov rax, [rsp+40h]`
    const RELOAD_ADDRESS: [u8; 5] = [0x48, 0x8b, 0x44, 0x24, 0x40];
    /// `prefetcht1 [rdi]`
    const PREFETCH: [u8; 3] = [0x0f, 0x18, 0x17];
    /// `dec rcx`
    const COUNT: [u8; 3] = [0x48, 0xff, 0xc9];
    const RETURN: u8 = 0xc3;
    /// `jmp rdx`
    const JUMP_BY_TABLE: [u8; 2] = [0xff, 0xe2];

    /// The parts with a jump back over them, `jne` behind a count.
    fn around(parts: &[&[u8]]) -> Vec<u8> {
        let mut code = parts.concat();
        code.extend(COUNT);
        let back = -(code.len() as i32) - 6;
        code.extend([0x0f, 0x85]);
        code.extend(back.to_le_bytes());
        code
    }

    /// A function of the parts: width, multiply-adds and spills of each hot loop.
    fn found(parts: &[&[u8]]) -> Vec<(usize, usize, usize)> {
        let code = [&parts.concat()[..], &[RETURN]].concat();
        hot_loops(&code, 0x1000).into_iter().map(|hot| (hot.width, hot.multiply_adds, hot.spills)).collect()
    }

    #[test]
    fn vectors_on_the_stack_are_spills() {
        let body = multiply_adds(8);
        assert_eq!(found(&[&around(&[&LOAD, &body])]), [(256, 8, 0)]);
        assert_eq!(found(&[&around(&[&LOAD, &body, &SPILL, &RELOAD])]), [(256, 8, 2)]);
        assert_eq!(found(&[&around(&[&LOAD, &body, &MULTIPLY_RELOADED])]), [(256, 9, 1)]);
        assert_eq!(found(&[&around(&[&wide_multiply_adds(8), &WIDE_RELOAD])]), [(512, 8, 1)]);
        // A register's worth of address may go through the stack.
        assert_eq!(found(&[&around(&[&LOAD, &body, &RELOAD_ADDRESS])]), [(256, 8, 0)]);
    }

    #[test]
    fn a_frame_pointer_is_told_from_any_other() {
        let body = around(&[&multiply_adds(8), &LOAD_BY_FRAME]);
        assert_eq!(found(&[&body]), [(256, 8, 0)]);
        assert_eq!(found(&[&FRAME, &body]), [(256, 8, 1)]);
    }

    #[test]
    fn what_writes_results_or_hardly_multiplies_is_not_hot() {
        let body = multiply_adds(8);
        assert_eq!(found(&[&around(&[&RELOAD, &body, &STORE])]), []);
        assert_eq!(found(&[&around(&[&body, &STORE_IN_ARRAY])]), []);
        assert_eq!(found(&[&around(&[&multiply_adds(3), &SPILL])]), []);
        assert_eq!(found(&[&LOAD, &body, &SPILL]), []);
    }

    #[test]
    fn loops_behind_a_table_of_jumps_are_found() {
        let (one, other) = (around(&[&multiply_adds(8)]), around(&[&multiply_adds(6), &SPILL]));
        assert_eq!(found(&[&JUMP_BY_TABLE, &one, &[RETURN], &other]), [(256, 8, 0), (256, 6, 1)]);
        // Nothing leads to what is behind a return.
        assert_eq!(found(&[&one, &[RETURN], &other]), [(256, 8, 0)]);
    }

    #[test]
    fn loops_are_told_apart() {
        let body = around(&[&LOAD, &multiply_adds(8)]);
        // What surrounds a hot loop may spill and write.
        assert_eq!(found(&[&around(&[&RELOAD, &body, &SPILL, &STORE])]), [(256, 8, 0)]);
        // A hot loop may hold another.
        assert_eq!(found(&[&around(&[&around(&[&PREFETCH]), &LOAD, &multiply_adds(8), &SPILL])]), [(256, 8, 1)]);
        assert_eq!(found(&[&body, &around(&[&multiply_adds(8), &SPILL])]), [(256, 8, 0), (256, 8, 1)]);
    }

    #[test]
    fn the_listing_marks_what_spills() {
        let code = [around(&[&LOAD, &multiply_adds(8), &SPILL]), vec![RETURN]].concat();
        let [hot] = &hot_loops(&code, 0x1000)[..] else { panic!("not one loop") };
        assert!(hot.listing.starts_with("       1000  vmovups ymm8,[rsi]\n"), "{}", hot.listing);
        let marked: Vec<_> = hot.listing.lines().filter(|line| line.starts_with("=>")).collect();
        assert_eq!(marked, ["=>     102c  vmovups [rsp+40h],ymm0"], "{}", hot.listing);
    }
}
