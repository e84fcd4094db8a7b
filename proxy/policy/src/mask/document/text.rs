//! Masks of plain text, window by window: what is found where two windows meet is found by one of them.

use super::{DocumentMasker, STAR, Slot};
use crate::detect::{Detectors, Finding, OVERLAP_BYTES, Tally, WINDOW_BYTES, Wanted};
use crate::mask::{DETECT_FLOOR, Technique};
use crate::net::SessionNet;

/// Bytes of a text that are searched in one piece.
pub const TEXT_WINDOW_BYTES: usize = WINDOW_BYTES;

/// Bytes at the end of a window that wait for the next one, and bytes before a window that say what its first words are.
pub const TEXT_OVERLAP_BYTES: usize = OVERLAP_BYTES;

impl DocumentMasker {
    /// Whether a text at that place is searched by detectors, and not masked line by line.
    pub fn searches(&self, slot: &Slot) -> bool {
        let mask = slot.mask.and_then(|mask| self.masks.get(mask));
        mask.is_none_or(|mask| mask.technique == Technique::Detect)
    }

    /// Takes over the text of a window from the byte `from` on, as far as it does not depend on what follows; all of it where
    /// it is the last. Returns the byte up to which that is.
    ///
    /// A window ends inside of no finding, and where there is one at a line's end or a blank: the place hangs on the text alone.
    pub fn window(&mut self, slot: &Slot, text: &str, from: usize, is_last: bool, net: &mut SessionNet) -> usize {
        let masked = slot.mask.is_some();
        let nets = if net.is_empty() {
            Wanted::default()
        } else {
            net.wanted(&slot.net)
        };
        let wanted = nets.or(if masked {
            Wanted::from(DETECT_FLOOR)
        } else {
            Wanted::default()
        });
        // What detectors have left has no form of its own: of what was released nothing is found, and nothing counted.
        let found = if self.is_again() {
            Vec::new()
        } else {
            Detectors::shared().find_wanted(text, &net.hints(), &wanted)
        };
        let end = if is_last {
            text.len()
        } else {
            settled(text, from, &found)
        };
        let mut copied = from;
        let mut tally = Tally::default();
        for finding in found.iter().filter(|finding| finding.span.end <= end) {
            // What a window before this one has settled is out already; what sticks out of that is masked.
            let start = finding.span.start.max(copied);
            if finding.span.end <= start {
                continue;
            }
            self.put(text.get(copied..start));
            if self.document.keep_length {
                let length = self.released.len() + finding.span.end - start;
                self.released.resize(length, STAR);
            } else {
                self.put(Some(finding.category.token()));
            }
            copied = finding.span.end;
            if masked && finding.confidence >= DETECT_FLOOR {
                self.count(slot);
            } else {
                tally.add(finding.category);
            }
        }
        self.put(text.get(copied..end));
        net.found(&slot.net, &tally);
        end
    }

    fn put(&mut self, text: Option<&str>) {
        self.released.extend_from_slice(text.unwrap_or_default().as_bytes());
    }
}

/// The byte of a window up to which what follows changes nothing: before its overlap, after a line or else a blank, and in no finding.
fn settled(text: &str, from: usize, found: &[Finding]) -> usize {
    let latest = text.floor_char_boundary(text.len().saturating_sub(TEXT_OVERLAP_BYTES));
    let body = text.get(from..latest).unwrap_or_default();
    // Looked for in the last half alone, so that a window always gets further.
    let half = body.floor_char_boundary(body.len() / 2);
    let tail = body.get(half..).unwrap_or_default();
    let cut = tail.rfind('\n').or_else(|| tail.rfind([' ', '\t']));
    let mut end = cut.map_or(latest, |cut| from + half + cut + 1);
    for finding in found.iter().rev() {
        if finding.span.start < end && end < finding.span.end {
            // A finding as long as a window is masked up to its end; the next window goes on behind it.
            end = if finding.span.start > from {
                finding.span.start
            } else {
                finding.span.end
            };
        }
    }
    end
}
