//! Tables of text that keep to a width.

/// A column.
pub(super) struct Column {
    pub(super) title: &'static str,
    pub(super) align: Align,
    pub(super) fit: Fit,
}

/// Where a column's text stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// What becomes of a column when there is too little room.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// It stays as it is.
    Whole,
    /// It is left out, the highest rank first.
    Rank(usize),
    /// It is cut down to so many characters, when all columns with a rank are left out. The first of them first.
    Least(usize),
}

/// A line of a table.
pub(super) enum Line {
    /// A text for each column.
    Cells(Vec<String>),
    /// A rule.
    Rule,
}

/// The lines of a table under the titles of its columns, within `width` if the columns can be made to fit.
pub(super) fn lay_out(columns: &[Column], lines: &[Line], width: Option<usize>) -> String {
    let rows = lines.iter().filter_map(|line| if let Line::Cells(cells) = line { Some(cells) } else { None });
    let mut widths: Vec<Option<usize>> = columns.iter().map(|column| Some(length(column.title))).collect();
    for cells in rows {
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = (*width).max(Some(length(cell)));
        }
    }
    // Columns stand one space apart where two are too many.
    let total = |widths: &[Option<usize>], gap: usize| {
        widths.iter().flatten().map(|width| width + gap).sum::<usize>().saturating_sub(gap)
    };
    let available = width.unwrap_or(usize::MAX);
    let gap = if total(&widths, 2) > available { 1 } else { 2 };
    let ranked = columns.iter().enumerate().filter_map(|(index, column)| match column.fit {
        Fit::Rank(rank) => Some((rank, index)),
        _ => None,
    });
    let mut ranked: Vec<(usize, usize)> = ranked.collect();
    ranked.sort_unstable();
    while let Some((_, index)) = ranked.pop_if(|_| total(&widths, gap) > available) {
        widths[index] = None;
    }
    for (index, column) in columns.iter().enumerate() {
        let excess = total(&widths, gap).saturating_sub(available);
        if let (Fit::Least(least), Some(width)) = (column.fit, &mut widths[index]) {
            *width = width.saturating_sub(excess).max(least.min(*width));
        }
    }

    let mut text = String::new();
    let mut push = |line: &str| {
        text.push_str(line.trim_end());
        text.push('\n');
    };
    let row = |cells: &mut dyn Iterator<Item = &str>| {
        let cells = columns.iter().zip(&widths).zip(cells).filter_map(|((column, width), cell)| {
            let (width, cell) = ((*width)?, shortened(cell, (*width)?));
            Some(match column.align {
                Align::Left => format!("{cell:<width$}"),
                Align::Right => format!("{cell:>width$}"),
            })
        });
        cells.collect::<Vec<_>>().join(&" ".repeat(gap))
    };
    push(&row(&mut columns.iter().map(|column| column.title)));
    for line in lines {
        match line {
            Line::Cells(cells) => push(&row(&mut cells.iter().map(String::as_str))),
            Line::Rule => push(&"-".repeat(total(&widths, gap))),
        }
    }
    text
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// A text in so many characters: what is too long loses its middle, since names differ at their ends.
fn shortened(text: &str, width: usize) -> String {
    let length = length(text);
    if length <= width {
        return text.to_owned();
    }
    let kept = width.saturating_sub(1);
    let (before, after) = (kept / 2, kept - kept / 2);
    let start: String = text.chars().take(before).collect();
    let end: String = text.chars().skip(length - after).collect();
    format!("{start}…{end}")
}

/// A text in lines of up to so many characters, all but the first indented.
pub(super) fn wrapped(text: &str, width: usize, indent: usize) -> String {
    let (mut lines, mut used) = (String::new(), 0);
    for word in text.split(' ') {
        if used > 0 && used + 1 + length(word) > width {
            lines.push('\n');
            lines.push_str(&" ".repeat(indent));
            used = indent;
        } else if used > 0 {
            lines.push(' ');
            used += 1;
        }
        lines.push_str(word);
        used += length(word);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 4] = [
        Column { title: "name", align: Align::Left, fit: Fit::Least(5) },
        Column { title: "ms", align: Align::Right, fit: Fit::Whole },
        Column { title: "shape", align: Align::Left, fit: Fit::Rank(2) },
        Column { title: "kind", align: Align::Left, fit: Fit::Rank(1) },
    ];

    fn table(width: Option<usize>) -> String {
        let cells = |cells: [&str; 4]| Line::Cells(cells.map(str::to_owned).to_vec());
        let lines = [cells(["layer1.conv", "1.25", "16x8x8", "conv"]), Line::Rule, cells(["é", "12.00", "1", ""])];
        lay_out(&COLUMNS, &lines, width)
    }

    #[test]
    fn columns_give_way_in_their_order() {
        let whole = "name            ms  shape   kind
layer1.conv   1.25  16x8x8  conv
--------------------------------
é            12.00  1
";
        assert_eq!(table(None), whole);
        assert_eq!(table(Some(32)), whole);
        assert!(table(Some(31)).starts_with("name           ms shape  kind\n"));
        assert!(table(Some(28)).starts_with("name           ms kind\n"));
        assert!(table(Some(20)).starts_with("name           ms\nlayer1.conv  1.25\n"));
        assert!(table(Some(13)).contains("\nlay…onv  1.25\n"), "{}", table(Some(13)));
        assert!(table(Some(3)).contains("\nla…nv  1.25\n"));
    }

    #[test]
    fn words_are_wrapped() {
        assert_eq!(wrapped("aa bb cc dd", 5, 2), "aa bb\n  cc\n  dd");
        assert_eq!(wrapped("longer than", 3, 1), "longer\n than");
    }
}
