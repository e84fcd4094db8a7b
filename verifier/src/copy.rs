//! Sealed copies of exact commands: that each command has the one that its policy asks for, whole and directly behind it, and
//! that what people say they opened is there.
//!
//! A copy cannot be opened here: that it holds the bytes of its command, only a recipient sees, who can compare them with the
//! command's keyed digest. Shown is that it is a file of age-encryption.org/v1 to as many recipients as the policy names.

use exhibit_policy::decide::UNPROVEN;
use exhibit_policy::sealed::{COMMAND_BYTES_MAX, TOO_LONG, recipients};
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Attribute, Command, CommandSealed, Outcome, SEALED_PART_BYTES_MAX};
use exhibit_schemas::event::trust::EvidenceRead;
use exhibit_schemas::merkle::Index;

use crate::batch::Placed;
use crate::evidence::LineNumber;
use crate::finding::{Code, Findings, Place};
use crate::spill::{Slots, Spill};

/// Bytes of a copy at the most: those of the command, a tag to each chunk of 64 KiB, and the header.
const COPY_BYTES_MAX: usize = COMMAND_BYTES_MAX + COMMAND_BYTES_MAX / 65_536 * 16 + 8_192;

/// The copy of a command, as far as it was read.
pub(crate) struct Copy {
    /// Index of the command.
    pub(crate) command: Index,
    /// Its line in the report.
    pub(crate) line: Option<LineNumber>,
    sequence: u64,
    /// Recipients that its policy names.
    recipients: usize,
    next: u64,
    parts: u64,
    bytes: usize,
    first: Option<Index>,
}

impl Copy {
    /// The copy that has to follow a command; `None` where its policy asks for none.
    pub(crate) fn of(
        placed: &Placed,
        sequence: u64,
        command: &Command,
        target: &str,
        policy: &Snapshot,
        line: Option<LineNumber>,
    ) -> Option<Self> {
        let recipients = policy.recipients(target).len();
        let cause = command.facts.attributes.get(UNPROVEN);
        let too_long = matches!(cause, Some(Attribute::Text(cause)) if cause == TOO_LONG);
        // Nothing of it reached the target, and the decision that says so is decided again.
        let excused = too_long && command.outcome == Outcome::Denied;
        (recipients > 0 && !excused).then_some(Self {
            command: placed.index,
            line,
            sequence,
            recipients,
            next: 0,
            parts: 0,
            bytes: 0,
            first: None,
        })
    }

    /// Takes the next part; `None` where it is none of this copy, or of no copy.
    pub(crate) fn part(&mut self, placed: &Placed, body: &CommandSealed, findings: &mut Findings) -> Option<Part> {
        if body.part == 0 {
            self.parts = body.parts;
        }
        let size = body.bytes.0.len();
        let follows = body.command == self.sequence
            && body.part == self.next
            && body.parts == self.parts
            && body.part < body.parts
            && (1..=SEALED_PART_BYTES_MAX).contains(&size);
        if !follows {
            return None;
        }
        self.next += 1;
        self.bytes = self.bytes.saturating_add(size);
        let first = *self.first.get_or_insert(placed.index);
        let place = Place::Entry(placed.index);
        if body.part == 0 {
            let found = recipients(&body.bytes.0);
            if found != Some(self.recipients) {
                let detail = match found {
                    Some(found) => format!("it has {found} recipients where the policy names {}", self.recipients),
                    None => "it does not begin as a file of age-encryption.org/v1".to_owned(),
                };
                findings.add(Code::CopyForm, place, detail);
            }
        } else if self.bytes > COPY_BYTES_MAX && self.bytes - size <= COPY_BYTES_MAX {
            findings.add(Code::CopyForm, place, "it is longer than a copy may be");
        }
        let is_last = self.next == self.parts;
        Some(if is_last { Part::Last(first) } else { Part::One })
    }
}

/// A part of a copy that is where it must be.
pub(crate) enum Part {
    /// More must follow.
    One,
    /// The last one; with the index of the first.
    Last(Index),
}

/// All copies, by the index of their first part: its leaf hash, and the index of the command.
pub(crate) struct Copies {
    begun: Slots<8, 40>,
    /// Entries are missing, and a copy may have been among them.
    pub(crate) after_gap: bool,
}

impl Copies {
    /// None yet.
    pub(crate) fn new(spill: &Spill) -> Self {
        Self {
            begun: Slots::new(spill),
            after_gap: false,
        }
    }

    /// Notes the first part of the copy of a command.
    pub(crate) fn begin(&mut self, placed: &Placed, command: Index) {
        let mut copy = [0; 40];
        let (leaf, of) = copy.split_at_mut(32);
        leaf.copy_from_slice(&placed.leaf.0);
        of.copy_from_slice(&command.0.to_be_bytes());
        self.begun.insert(placed.index.0.to_be_bytes(), copy);
    }

    /// The command whose copy a person says to open.
    pub(crate) fn revealed(&self, index: Index, read: &EvidenceRead, findings: &mut Findings) -> Option<Index> {
        let copy = read.copy.as_ref()?;
        let begun = self.begun.get(&copy.index.0.to_be_bytes());
        let begun = begun.and_then(|begun| {
            begun
                .split_first_chunk()
                .map(|(leaf, of)| (Digest(*leaf), of.try_into()))
        });
        let known = begun.filter(|(leaf, _)| *leaf == copy.leaf);
        if known.is_none() && !self.after_gap {
            let detail = format!("it names #{}", copy.index);
            findings.add(Code::RevealCopy, Place::Entry(index), detail);
        }
        known.and_then(|(_, command)| command.ok().map(u64::from_be_bytes).map(Index))
    }
}
