//! Winograd's transforms along one axis: `B^T` of a tile's inputs, `A^T` of its sums.

use crate::geometry::Winograd;
use crate::isa::Isa;

/// p, the smaller of the two points of F(4 x 4, 3 x 3) at stride 1 that are no integers.
const P: f32 = std::f32::consts::FRAC_1_SQRT_2;
/// q, the larger one; p * q = 1.
const Q: f32 = std::f32::consts::SQRT_2;

/// The points but infinity at stride 1, of which a tile with fewer outputs has the first; zeros behind them.
const fn points<const OUTPUTS: usize, const SIDE: usize>() -> [f64; SIDE] {
    let all = Winograd { outputs: OUTPUTS, group: 1 }.points(1);
    let mut points = [0.0; SIDE];
    let mut point = 0;
    while point < all.len() && point < SIDE {
        points[point] = all[point];
        point += 1;
    }
    points
}

/// How many of them a tile of so many outputs along a side needs.
pub(super) const fn kept(outputs: usize, taps: usize) -> usize {
    outputs + taps - 2
}

/// Taps along a side at stride 1.
const fn taps<const OUTPUTS: usize, const SIDE: usize>() -> usize {
    SIDE + 1 - OUTPUTS
}

/// `B^T` for so many outputs, row by row, where all products are more: for each point that is kept the coefficients of the product of
/// `x - point` over the others, times its distances to those that are left out, by which its factor is divided; for
/// infinity of the product over all that are kept.
const fn inputs_of_fewer<const OUTPUTS: usize, const SIDE: usize>(outputs: usize) -> [[f32; SIDE]; SIDE] {
    let (points, kept, all) = (points::<OUTPUTS, SIDE>(), kept(outputs, taps::<OUTPUTS, SIDE>()), SIDE - 1);
    let mut matrix = [[0.0; SIDE]; SIDE];
    let mut row = 0;
    while row <= kept {
        let infinity = row == kept;
        let mut coefficients = [0.0; SIDE];
        coefficients[0] = 1.0;
        let mut point = 0;
        while point < all {
            let factor = match (point < kept, infinity) {
                (true, _) if infinity || point != row => [-points[point], 1.0],
                (false, false) => [points[row] - points[point], 0.0],
                _ => [1.0, 0.0],
            };
            let mut power = SIDE;
            while power > 0 {
                power -= 1;
                let below = if power == 0 { 0.0 } else { coefficients[power - 1] };
                coefficients[power] = factor[0] * coefficients[power] + factor[1] * below;
            }
            point += 1;
        }
        let mut power = 0;
        while power < SIDE {
            matrix[if infinity { all } else { row }][power] = coefficients[power] as f32;
            power += 1;
        }
        row += 1;
    }
    matrix
}

/// `A^T` for so many outputs: the powers of each point, and infinity in the last row.
const fn sums_of_fewer<const OUTPUTS: usize, const SIDE: usize>(outputs: usize) -> [[f32; SIDE]; OUTPUTS] {
    let points = points::<OUTPUTS, SIDE>();
    let mut matrix = [[0.0; SIDE]; OUTPUTS];
    if outputs >= OUTPUTS {
        return matrix;
    }
    let mut point = 0;
    while point < kept(outputs, taps::<OUTPUTS, SIDE>()) {
        let (mut power, mut value) = (0, 1.0);
        while power < outputs {
            matrix[power][point] = value as f32;
            value *= points[point];
            power += 1;
        }
        point += 1;
    }
    matrix[outputs - 1][SIDE - 1] = 1.0;
    matrix
}

/// A matrix times a vector of vectors.
///
/// # Safety
/// The processor has the instruction set.
#[inline(always)]
unsafe fn times<I: Isa, const ROWS: usize, const COLUMNS: usize>(
    matrix: [[f32; COLUMNS]; ROWS],
    vector: [I::Vector; COLUMNS],
) -> [I::Vector; ROWS] {
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        let mut product = [I::splat(0.0); ROWS];
        for row in 0..ROWS {
            for column in 0..COLUMNS {
                if matrix[row][column] != 0.0 {
                    product[row] = I::multiply_add(I::splat(matrix[row][column]), vector[column], product[row]);
                }
            }
        }
        product
    }
}

/// `B^T d` for one column or row of a tile with so many outputs.
///
/// # Safety
/// The processor has the instruction set.
#[inline(always)]
pub(super) unsafe fn of_inputs<I: Isa, const OUTPUTS: usize, const SIDE: usize>(
    d: [I::Vector; SIDE],
    outputs: usize,
) -> [I::Vector; SIDE] {
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        match outputs {
            _ if outputs == OUTPUTS => (),
            3 => return times::<I, SIDE, SIDE>(const { inputs_of_fewer::<OUTPUTS, SIDE>(3) }, d),
            2 => return times::<I, SIDE, SIDE>(const { inputs_of_fewer::<OUTPUTS, SIDE>(2) }, d),
            _ => return times::<I, SIDE, SIDE>(const { inputs_of_fewer::<OUTPUTS, SIDE>(1) }, d),
        }
    }
    let mut v = d;
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        let minus = I::splat(-1.0);
        let (half, minus_half) = (I::splat(0.5), I::splat(-0.5));
        match const { SIDE } {
            4 => {
                v[0] = I::multiply_add(minus, d[0], d[2]);
                v[1] = I::add(d[1], d[2]);
                v[2] = I::multiply_add(minus, d[1], d[2]);
                v[3] = I::multiply_add(minus, d[1], d[3]);
            }
            5 => {
                v[0] = I::multiply_add(minus, d[0], d[2]);
                v[1] = d[2];
                v[2] = I::multiply_add(minus, d[2], d[4]);
                v[3] = d[1];
                v[4] = d[3];
            }
            6 => {
                let (p, q) = (I::splat(P), I::splat(Q));
                let (minus_p, minus_q) = (I::splat(-P), I::splat(-Q));
                let (minus_two, minus_five_halves) = (I::splat(-2.0), I::splat(-2.5));
                // x (x^2 - q^2) times x and p, then x (x^2 - p^2) times x and q.
                let even_p = I::multiply_add(minus_two, d[2], d[4]);
                let odd_p = I::multiply_add(minus_two, d[1], d[3]);
                let even_q = I::multiply_add(minus_half, d[2], d[4]);
                let odd_q = I::multiply_add(minus_half, d[1], d[3]);
                v[0] = I::multiply_add(minus_five_halves, d[2], I::add(d[0], d[4]));
                v[1] = I::multiply_add(p, odd_p, even_p);
                v[2] = I::multiply_add(minus_p, odd_p, even_p);
                v[3] = I::multiply_add(q, odd_q, even_q);
                v[4] = I::multiply_add(minus_q, odd_q, even_q);
                v[5] = I::multiply_add(minus_five_halves, d[3], I::add(d[1], d[5]));
            }
            _ => {
                // The even inputs are d[0], d[2] and so on.
                let outer = I::multiply_add(minus, d[2], d[6]);
                let inner = I::multiply_add(minus_half, d[2], d[6]);
                v[0] = I::multiply_add(minus_half, I::multiply_add(minus, d[0], d[4]), outer);
                v[1] = I::multiply_add(half, d[4], inner);
                v[2] = I::multiply_add(I::splat(-1.5), d[4], I::multiply_add(half, d[2], d[6]));
                v[3] = outer;
                v[4] = I::multiply_add(minus_half, outer, I::multiply_add(minus, d[4], d[8]));
                v[5] = d[1];
                v[6] = d[3];
                v[7] = d[5];
                v[8] = d[7];
            }
        }
    }
    v
}

/// `A^T m` for one column or row of a tile with so many outputs.
///
/// # Safety
/// The processor has the instruction set.
#[inline(always)]
pub(super) unsafe fn of_sums<I: Isa, const OUTPUTS: usize, const SIDE: usize>(
    m: [I::Vector; SIDE],
    outputs: usize,
) -> [I::Vector; OUTPUTS] {
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        match outputs {
            _ if outputs == OUTPUTS => (),
            3 => return times::<I, OUTPUTS, SIDE>(const { sums_of_fewer::<OUTPUTS, SIDE>(3) }, m),
            2 => return times::<I, OUTPUTS, SIDE>(const { sums_of_fewer::<OUTPUTS, SIDE>(2) }, m),
            _ => return times::<I, OUTPUTS, SIDE>(const { sums_of_fewer::<OUTPUTS, SIDE>(1) }, m),
        }
        let minus = I::splat(-1.0);
        let mut y = [I::splat(0.0); OUTPUTS];
        let (plus, less) = (I::add(m[1], m[2]), I::multiply_add(minus, m[2], m[1]));
        match const { SIDE } {
            4 => {
                y[0] = I::add(m[0], plus);
                y[1] = I::add(less, m[3]);
            }
            5 => {
                y[0] = I::add(m[3], I::add(m[0], m[1]));
                y[1] = I::add(m[4], plus);
            }
            6 => {
                let (plus_q, less_q) = (I::add(m[3], m[4]), I::multiply_add(minus, m[4], m[3]));
                y[0] = I::add(m[0], I::add(plus, plus_q));
                y[1] = I::multiply_add(I::splat(P), less, I::multiply(I::splat(Q), less_q));
                if const { OUTPUTS == 3 } {
                    y[2] = I::multiply_add(I::splat(0.5), plus, I::multiply_add(I::splat(2.0), plus_q, m[5]));
                } else {
                    y[2] = I::multiply_add(I::splat(0.5), plus, I::multiply(I::splat(2.0), plus_q));
                    y[3] = I::multiply_add(I::splat(P * 0.5), less, I::multiply_add(I::splat(Q * 2.0), less_q, m[5]));
                }
            }
            _ => {
                y[0] = I::add(m[5], I::add(m[0], I::add(plus, m[3])));
                y[1] = I::multiply_add(I::splat(0.5), m[3], I::add(less, m[6]));
                y[2] = I::multiply_add(I::splat(0.25), m[3], I::add(plus, m[7]));
                y[3] = I::multiply_add(I::splat(0.125), m[3], I::add(less, I::add(m[4], m[8])));
            }
        }
        y
    }
}
