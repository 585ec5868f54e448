//! Tables.

#![forbid(unsafe_code)]

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table, Width};

use crate::output::{DIM, HEADING, Output};
use crate::summary::wrap;
use crate::text::columns;

/// A last column narrower than this is put below the others.
const NARROWEST: usize = 24;
/// Blanks between columns, and in front of rows.
const GAP: usize = 2;

/// Where the text of a column stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

pub(crate) use Align::{Left, Right};

/// Rows of texts below a heading. The last column has what is longest: it is broken into lines or, on a narrow screen,
/// stands below the others.
pub(crate) struct Rows {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
    width: usize,
    breaks: bool,
}

impl Rows {
    /// No rows yet, as wide as the output.
    pub(crate) fn new(output: &Output, columns: &[(&'static str, Align)]) -> Self {
        Self {
            columns: columns.to_vec(),
            rows: Vec::new(),
            width: output.width - GAP,
            breaks: output.breaks,
        }
    }

    pub(crate) fn add(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Prints the rows, each line with two blanks in front.
    pub(crate) fn print(self, output: &mut Output) -> std::io::Result<()> {
        let last = self.columns.len().saturating_sub(1);
        let widths: Vec<_> = (0..=last).map(|index| self.natural(index)).collect();
        let others: usize = widths.iter().take(last).map(|width| width + GAP).sum();
        let wanted = widths.last().copied().unwrap_or_default();
        let room = self.width.saturating_sub(others);
        if self.breaks && room < wanted.min(NARROWEST) {
            return self.print_stacked(last, output);
        }
        let mut table = self.table(last + 1, 2);
        if let Some(column) = table.column_mut(last) {
            let room = if self.breaks {
                room.min(wanted)
            } else {
                wanted
            };
            let room = u16::try_from(room).unwrap_or(u16::MAX);
            column.set_padding((0, 0));
            column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(room)));
        }
        print_lines(&table, output)
    }

    /// How wide a column is if no cell is broken.
    fn natural(&self, index: usize) -> usize {
        let heading = self.columns.get(index).map_or(0, |(name, _)| name.len());
        let cells = self.rows.iter().filter_map(|row| row.get(index));
        cells
            .map(|cell| columns(cell))
            .max()
            .unwrap_or_default()
            .max(heading)
    }

    /// The first `count` columns, with so many blanks between them.
    fn table(&self, count: usize, gap: u16) -> Table {
        let mut table = Table::new();
        table.load_preset(NOTHING);
        table.set_content_arrangement(ContentArrangement::Disabled);
        let columns = self.columns.iter().take(count);
        table.set_header(columns.clone().map(|(name, align)| cell(name, *align)));
        for row in &self.rows {
            let cells = row.iter().zip(columns.clone());
            table.add_row(cells.map(|(text, (_, align))| cell(text, *align)));
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, gap));
        }
        table
    }

    /// Prints the last column below the others.
    fn print_stacked(&self, last: usize, output: &mut Output) -> std::io::Result<()> {
        let text = self.table(last, 1).to_string();
        let mut lines: Vec<_> = text
            .lines()
            .map(|line| vec![line.trim_end().to_owned()])
            .collect();
        if lines
            .iter()
            .flatten()
            .any(|line| columns(line) > self.width)
        {
            let names = self.columns.iter().map(|(name, _)| (*name).to_owned());
            let heading = names.collect();
            let rows = std::iter::once(&heading).chain(&self.rows);
            lines = rows.map(|row| self.unaligned(row, last)).collect();
        }
        let mut lines = lines.into_iter();
        let name = self.columns.get(last).map_or("", |(name, _)| *name);
        for heading in lines.next().unwrap_or_default() {
            output.line(format_args!("  {}", output.paint(HEADING, heading)))?;
        }
        output.line(format_args!("    {}", output.paint(HEADING, name)))?;
        for (line, row) in lines.zip(&self.rows) {
            for part in line {
                output.line(format_args!("  {}", output.paint(DIM, part)))?;
            }
            let text = row.get(last).map_or("", String::as_str);
            for part in wrap(text, self.width - GAP) {
                if !part.is_empty() {
                    output.line(format_args!("    {part}"))?;
                }
            }
        }
        Ok(())
    }

    /// The first `count` cells of a row that is too wide to be aligned, in lines. Cells that fit into one aren't broken.
    fn unaligned(&self, row: &[String], count: usize) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for cell in row.iter().take(count).filter(|cell| !cell.is_empty()) {
            match lines.last_mut() {
                Some(line) if columns(line) + GAP + columns(cell) <= self.width => {
                    line.push_str("  ");
                    line.push_str(cell);
                }
                _ => lines.extend(wrap(cell, self.width)),
            }
        }
        lines
    }
}

fn print_lines(table: &Table, output: &mut Output) -> std::io::Result<()> {
    for (index, line) in table.to_string().lines().enumerate() {
        let line = line.trim_end();
        let line = match index {
            0 => output.paint(HEADING, line),
            _ => line.to_owned(),
        };
        output.line(format_args!("  {line}"))?;
    }
    Ok(())
}

fn cell(text: &str, align: Align) -> Cell {
    let align = match align {
        Left => CellAlignment::Left,
        Right => CellAlignment::Right,
    };
    Cell::new(text).set_alignment(align)
}
