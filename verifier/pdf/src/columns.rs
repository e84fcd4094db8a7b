//! How wide the columns of a table are, and which words may break.
//!
//! Widths are reckoned from the texts: each column gets what its longest word needs as far as there is room, and the rest by how
//! much there is to say in it. A word that is wider than its column, such as a digest, may break after every fourth character, and
//! between any two where the column is narrow.

use crate::page::{Cell, Marked, Run, Table};

/// Tenths of a point across the text of a sheet.
const ROOM: u32 = 6_900;

/// Tenths of a point that the two margins of a cell take.
const MARGINS: u32 = 72;

/// Characters of a word that need not break in a column, if there is room: a time has 27.
const WORD_MAX: u32 = 28;

/// Characters of a word that is broken in the end anyway, which a column should at least hold.
const BROKEN_WORD: u32 = 12;

/// Characters of a line that a column is made wide enough for before others get room.
const LINE_MAX: u32 = 90;

/// Columns of a table that stand beside each other; one that has more goes on below, with its first column again.
const COLUMNS_MAX: usize = 14;

/// Where a word may break; it has no width, and no place in what is copied or searched.
const BREAK: char = '\u{200b}';

/// Thousandths of the text's size that characters are wide, bold ones too.
mod advance {
    pub(super) const CODE: u32 = 560;
    pub(super) const NARROW: u32 = 370;
    pub(super) const USUAL: u32 = 540;
    pub(super) const WIDE: u32 = 800;
}

/// How much room a cell takes, in thousandths of the text's size.
#[derive(Clone, Copy, Default)]
struct Needs {
    /// Its longest word.
    word: u32,
    /// Its longest line.
    line: u32,
    /// All of it in one line.
    all: u32,
}

/// A table with its columns, in as many parts as a sheet is too narrow for.
pub(crate) fn tables(head: Vec<Cell>, rows: Vec<Vec<Cell>>) -> Vec<Table> {
    let mut parts = vec![(head, rows)];
    while let Some((head, rows)) = parts.pop_if(|(head, _)| head.len() > COLUMNS_MAX) {
        let (rest_of_head, rest_of_rows) = (rest(&head), rows.iter().map(|row| rest(row)).collect());
        let first = |mut cells: Vec<Cell>| {
            cells.truncate(COLUMNS_MAX);
            cells
        };
        parts.push((first(head), rows.into_iter().map(first).collect()));
        parts.push((rest_of_head, rest_of_rows));
    }
    parts.into_iter().map(|(head, rows)| table(head, rows)).collect()
}

/// The first cell of a line and those that have no room beside it.
fn rest(cells: &[Cell]) -> Vec<Cell> {
    let rest = cells.iter().skip(COLUMNS_MAX);
    cells.iter().take(1).chain(rest).cloned().collect()
}

fn table(head: Vec<Cell>, rows: Vec<Vec<Cell>>) -> Table {
    let lines = || std::iter::once(&head).chain(&rows);
    let count = lines().map(Vec::len).max().unwrap_or(0);
    let size = match count {
        0..=5 => 85,
        6..=8 => 78,
        9..=10 => 70,
        _ => 62,
    };
    let columns: Vec<_> = (0..count)
        .map(|place| column(lines().filter_map(|line| line.get(place))))
        .collect();
    let columns = widths(&columns, size);
    let broken = |cells: Vec<Cell>| -> Vec<Cell> {
        let fit = |(cell, width): (Cell, &u32)| Cell {
            text: breaking(cell.text, width.saturating_sub(MARGINS) * 1_000 / size, false),
            ..cell
        };
        cells.into_iter().zip(&columns).map(fit).collect()
    };
    Table {
        head: broken(head),
        rows: rows.into_iter().map(broken).collect(),
        size,
        columns: columns.clone(),
    }
}

/// Text of a paragraph, in which only what is wider than half a sheet breaks.
pub(crate) fn in_a_line(text: Vec<Run>) -> Vec<Run> {
    breaking(text, ROOM * 1_000 / 95 / 2, false)
}

fn column<'a>(cells: impl Iterator<Item = &'a Cell>) -> Needs {
    let (mut most, mut sum, mut count) = (Needs::default(), 0_u64, 0_u64);
    for cell in cells {
        let needs = of_cell(cell);
        most.word = most.word.max(needs.word);
        most.line = most.line.max(needs.line);
        sum += u64::from(needs.all);
        count += 1;
    }
    let mean = u32::try_from(sum / count.max(1)).unwrap_or(u32::MAX);
    Needs { all: mean, ..most }
}

/// Tenths of a point for each column: as wide as its lines where all fit, else its words and a share of what is left.
fn widths(columns: &[Needs], size: u32) -> Vec<u32> {
    let points = |thousandths: u32| thousandths.saturating_mul(size) / 1_000 + MARGINS + 1;
    let lines: Vec<_> = columns
        .iter()
        .map(|needs| points(needs.line.min(LINE_MAX * advance::USUAL)))
        .collect();
    let sum = |widths: &[u32]| widths.iter().copied().fold(0, u32::saturating_add);
    if sum(&lines) <= ROOM {
        return lines;
    }
    let words: Vec<_> = columns.iter().map(|needs| points(needs.word)).collect();
    let needed = sum(&words);
    if needed >= ROOM {
        let scaled = |width: &u32| (width * ROOM / needed).max(MARGINS + size);
        return words.iter().map(scaled).collect();
    }
    let wants: Vec<_> = columns
        .iter()
        .zip(&words)
        .map(|(needs, word)| {
            let wanted = needs.all / 2 + needs.line.min(LINE_MAX * advance::USUAL) / 2;
            points(wanted).saturating_sub(*word)
        })
        .collect();
    let (left, wanted) = (u64::from(ROOM - needed), u64::from(sum(&wants)).max(1));
    let share = |(word, want): (&u32, &u32)| {
        let share = u64::from(*want) * left / wanted;
        word + u32::try_from(share).unwrap_or(0)
    };
    words.iter().zip(&wants).map(share).collect()
}

fn of_cell(cell: &Cell) -> Needs {
    let mut at = At::default();
    at.take(&cell.text, false);
    at.end_of_line();
    at.needs
}

/// Where in a cell it is measured.
#[derive(Default)]
struct At {
    needs: Needs,
    /// The width of the word until here, and its characters.
    word: (u32, u32),
    /// The width of the line until here.
    line: u32,
}

impl At {
    fn take(&mut self, runs: &[Run], code: bool) {
        for run in runs {
            match run {
                Run::Text(text) => self.take_text(text, code),
                Run::Marked(marked) if marked.mark == "br" => self.end_of_line(),
                Run::Marked(marked) => self.take(&marked.text, code || marked.mark == "code"),
            }
        }
    }

    fn take_text(&mut self, text: &str, code: bool) {
        for character in text.chars() {
            let wide = width(character, code);
            self.line = self.line.saturating_add(wide);
            if character == ' ' {
                self.end_of_word();
            } else {
                self.word = (self.word.0.saturating_add(wide), self.word.1 + 1);
            }
        }
    }

    fn end_of_word(&mut self) {
        let (wide, characters) = std::mem::take(&mut self.word);
        let wide = if characters > WORD_MAX {
            wide / characters * BROKEN_WORD
        } else {
            wide
        };
        self.needs.word = self.needs.word.max(wide);
    }

    fn end_of_line(&mut self) {
        self.end_of_word();
        let line = std::mem::take(&mut self.line);
        self.needs.line = self.needs.line.max(line);
        self.needs.all = self.needs.all.saturating_add(line);
    }
}

/// The same runs, in which a word that is wider than this may break.
fn breaking(runs: Vec<Run>, wide: u32, code: bool) -> Vec<Run> {
    let fit = |run: Run| match run {
        Run::Text(text) => Run::Text(broken(&text, wide, code)),
        Run::Marked(marked) => Run::Marked(Marked {
            text: breaking(marked.text, wide, code || marked.mark == "code"),
            ..marked
        }),
    };
    runs.into_iter().map(fit).collect()
}

fn broken(text: &str, wide: u32, code: bool) -> String {
    let fits = |word: &str| {
        word.chars()
            .map(|character| width(character, code))
            .fold(0, u32::saturating_add)
            <= wide
    };
    let piece = if wide < advance::WIDE * 4 { 1 } else { 4 };
    let mut broken = String::with_capacity(text.len());
    for (place, word) in text.split(' ').enumerate() {
        if place > 0 {
            broken.push(' ');
        }
        if fits(word) {
            broken.push_str(word);
            continue;
        }
        for (place, character) in word.chars().enumerate() {
            if place > 0 && place % piece == 0 {
                broken.push(BREAK);
            }
            broken.push(character);
        }
    }
    broken
}

/// Thousandths of the text's size; rather too much than too little.
fn width(character: char, code: bool) -> u32 {
    match character {
        _ if code => advance::CODE,
        'i' | 'j' | 'l' | 'f' | 't' | 'r' | '.' | ',' | ':' | ';' | '\'' | '(' | ')' | '|' | '-' | ' ' | '/' => {
            advance::NARROW
        }
        'm' | 'w' | 'A'..='Z' | '@' | '%' => advance::WIDE,
        _ if character.is_ascii() => advance::USUAL,
        _ => advance::WIDE,
    }
}
