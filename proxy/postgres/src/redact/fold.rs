//! Lists whose items repeat, in statements that would be too long to record: rows of `VALUES`, and what `IN` names.
//!
//! Values are taken out already, so items that follow each other are often the same, or differ in the numbers of their
//! parameters by the same step. The first one stays and says how many follow; nothing is lost by that:
//!
//! ```text
//! INSERT INTO t VALUES (<number>, <string>), (<number>, <string>) /* 9997 more */, (<number>, <string>) RETURNING id
//! SELECT * FROM t WHERE id IN ($1 /* 65534 more, up to $65535 */)
//! ```
//!
//! Comments of the statement itself go before, so a comment is always one of these.

use std::borrow::Cow;
use std::ops::Range;

/// How deep in brackets lists are folded; deeper ones stay as they are.
const DEPTH_MAX: usize = 32;

/// Items that are folded at the least; fewer are shorter than what would stand for them.
const ITEMS_MIN: usize = 4;

/// A token as it may be seen.
#[derive(Clone)]
pub(super) struct Piece<'a> {
    pub(super) text: Cow<'a, str>,
    /// Whether a blank stands before it.
    pub(super) apart: bool,
}

/// Folds the lists of a statement.
pub(super) fn fold<'a>(pieces: &[Piece<'a>]) -> Vec<Piece<'a>> {
    let mut folded = Vec::new();
    match closing(pieces) {
        Some(closing) => Folding {
            pieces,
            closing,
            folded: &mut folded,
        }
        .list(0..pieces.len(), 0),
        // No statement has such brackets; the grammar says so.
        None => folded.extend_from_slice(pieces),
    }
    folded
}

/// For each piece the place of the bracket that closes it, or its own; `None` where brackets do not pair.
fn closing(pieces: &[Piece<'_>]) -> Option<Vec<usize>> {
    let mut closing: Vec<usize> = (0..pieces.len()).collect();
    let mut open = Vec::new();
    for (place, piece) in pieces.iter().enumerate() {
        match piece.text.as_ref() {
            "(" | "[" => open.push(place),
            ")" | "]" => *closing.get_mut(open.pop()?)? = place,
            _ => {}
        }
    }
    open.is_empty().then_some(closing)
}

struct Folding<'a, 'b> {
    pieces: &'b [Piece<'a>],
    closing: Vec<usize>,
    folded: &'b mut Vec<Piece<'a>>,
}

/// How the numbers of parameters grow from an item to the next; `None` while there are none.
type Step = Option<u32>;

impl Folding<'_, '_> {
    /// Folds the items of a list, parted by commas.
    fn list(&mut self, range: Range<usize>, depth: usize) {
        let items = self.items(range);
        let mut next = 0;
        while let Some(item) = items.get(next) {
            if next > 0 {
                self.comma(item);
            }
            self.item(item.clone(), depth);
            next += 1;
            let alike = self.alike(items.get(next - 1..).unwrap_or_default());
            if alike + 1 >= ITEMS_MIN {
                let last = items.get(next + alike - 1).cloned().unwrap_or_default();
                self.more(alike, last);
                next += alike;
            }
        }
    }

    fn items(&self, range: Range<usize>) -> Vec<Range<usize>> {
        let mut items = Vec::new();
        let (mut start, mut place) = (range.start, range.start);
        while place < range.end {
            if self.text(place) == "," {
                items.push(start..place);
                start = place + 1;
            }
            place = self.closing.get(place).map_or(place, |closing| *closing) + 1;
        }
        items.push(start..range.end);
        items
    }

    /// How many items after the first are like it.
    fn alike(&self, items: &[Range<usize>]) -> usize {
        let mut common = None;
        let pairs = items.iter().zip(items.iter().skip(1));
        let same = |(one, other): &(&Range<usize>, &Range<usize>)| match self.step(one, other) {
            Some(step) if *common.get_or_insert(step) == step => true,
            Some(_) | None => false,
        };
        pairs.take_while(same).count()
    }

    /// Whether two items are the same but for the numbers of their parameters, which all grow by the same step.
    fn step(&self, one: &Range<usize>, other: &Range<usize>) -> Option<Step> {
        if one.len() != other.len() || one.is_empty() {
            return None;
        }
        let mut step = None;
        for (one, other) in one.clone().zip(other.clone()) {
            let (one, other) = (self.text(one), self.text(other));
            match (parameter(one), parameter(other)) {
                (Some(one), Some(other)) => {
                    let own = other.checked_sub(one)?;
                    if *step.get_or_insert(own) != own {
                        return None;
                    }
                }
                _ if one == other => {}
                _ => return None,
            }
        }
        Some(step)
    }

    /// An item with the lists in it.
    fn item(&mut self, range: Range<usize>, depth: usize) {
        let mut place = range.start;
        while place < range.end {
            let close = self.closing.get(place).map_or(place, |closing| *closing);
            self.piece(place);
            if close > place && depth < DEPTH_MAX {
                self.list(place + 1..close, depth + 1);
                self.piece(close);
                place = close;
            }
            place += 1;
        }
    }

    fn piece(&mut self, place: usize) {
        self.folded.extend(self.pieces.get(place).cloned());
    }

    /// The comma before an item.
    fn comma(&mut self, item: &Range<usize>) {
        if let Some(before) = item.start.checked_sub(1) {
            self.piece(before);
        }
    }

    /// Says how many items follow, and which parameter they end with.
    fn more(&mut self, count: usize, last: Range<usize>) {
        let highest = last.filter_map(|place| parameter(self.text(place))).max();
        let up_to = highest.map(|highest| format!(", up to ${highest}")).unwrap_or_default();
        self.folded.push(Piece {
            text: format!("/* {count} more{up_to} */").into(),
            apart: true,
        });
    }

    fn text(&self, place: usize) -> &str {
        self.pieces.get(place).map_or("", |piece| piece.text.as_ref())
    }
}

/// The number of a parameter.
fn parameter(text: &str) -> Option<u32> {
    text.strip_prefix('$')?.parse().ok()
}
