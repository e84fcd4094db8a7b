//! Reviews: each is counted again over the whole log, in a second reading that only a log with reviews needs.

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::trust::ReviewSigned;
use exhibit_schemas::event::{Body, Event, Timestamp};
use exhibit_schemas::merkle::{Index, TreeSize};
use exhibit_schemas::review::{Population, Scope};
use exhibit_schemas::seal::SEAL_FIRST_BYTE;
use exhibit_schemas::tile::{BUNDLE_BYTES_MAX, TILE_WIDTH, Tile, TileKind, entries};
use serde::Serialize;

use crate::archive::{Archive, ArchiveError};
use crate::batch::Placed;
use crate::evidence::Evidence;
use crate::files;
use crate::finding::{Code, Findings, Place};

/// Reviews that are counted again at the most: one a day in each scope for some forty years.
const REVIEWS_MAX: usize = 100_000;

/// A review that a person signed off.
#[derive(Clone, Debug, Serialize)]
pub struct ReviewLine {
    /// Index of the review.
    pub review: Index,
    /// When, by the person's clock.
    pub time: String,
    /// Name of the person.
    pub person: String,
    /// Groups of the person then.
    pub groups: Vec<String>,
    /// Start of the period.
    pub from: String,
    /// End of the period, not part of it.
    pub to: String,
    /// What was reviewed.
    pub scope: String,
    /// Events of the population, by kind.
    pub counts: std::collections::BTreeMap<String, u64>,
    /// Root of the population.
    pub population: String,
    /// What was found, in the person's words.
    pub finding: String,
    /// Readings of the population that are the reviewer's own.
    pub own: u64,
    /// Events of the period and the scope that stand behind the log that was reviewed.
    pub later: u64,
}

/// A review as it passed by.
struct Review {
    index: Index,
    time: Timestamp,
    person: String,
    groups: Vec<String>,
    said: ReviewSigned,
}

/// The reviews of a log.
#[derive(Default)]
pub(crate) struct Reviews(Vec<Review>);

impl Reviews {
    pub(crate) fn signed(&mut self, placed: &Placed, said: &ReviewSigned, findings: &mut Findings) {
        let Some(signer) = &placed.signer else { return }; // whose key it is was not known, which was said
        let possible = said.from < said.to && said.to <= placed.event.time && said.size <= placed.index.0;
        if !possible || Scope::from_word(&said.scope).is_none() || self.0.len() >= REVIEWS_MAX {
            let detail = format!(
                "{} from {} to {} in {} entries",
                said.scope, said.from, said.to, said.size
            );
            findings.add(Code::ReviewLog, Place::Entry(placed.index), detail);
            return;
        }
        self.0.push(Review {
            index: placed.index,
            time: placed.event.time,
            person: signer.name.clone(),
            groups: signer.groups.clone(),
            said: said.clone(),
        });
    }

    /// Counts each population again, over a log that was read whole.
    pub(crate) fn finish(
        self,
        archive: &Archive,
        size: TreeSize,
        evidence: &mut Evidence,
        findings: &mut Findings,
    ) -> Result<(), ArchiveError> {
        if self.0.is_empty() {
            return Ok(());
        }
        let counted = self.0.iter().filter_map(|review| {
            let said = &review.said;
            let population = Population::new(
                Scope::from_word(&said.scope)?,
                (said.from, said.to),
                TreeSize(said.size),
            );
            Some((review, population, 0))
        });
        let mut counted: Vec<(&Review, Population, u64)> = counted.collect();
        read(archive, size, &mut |leaf, event| {
            for (review, population, own) in &mut counted {
                if population.take(leaf, event) && event.is_some_and(|event| is_own(event, &review.person)) {
                    *own += 1;
                }
            }
        })?;
        for (review, population, own) in counted {
            judge(review, &population, own, findings);
            evidence.reviewed(line(review, &population, own));
        }
        Ok(())
    }
}

/// What is found when a population was counted again.
fn judge(review: &Review, population: &Population, own: u64, findings: &mut Findings) {
    let place = || Place::Entry(review.index);
    let found = population.signed(review.said.finding.clone());
    if found.root != review.said.root || found.size != review.said.size {
        let detail = format!("the log of {} entries has the root {}", review.said.size, found.root);
        findings.add(Code::ReviewLog, place(), detail);
    } else if found != review.said {
        let detail = format!("counted again, its root is {}", found.population);
        findings.add(Code::ReviewPopulation, place(), detail);
    }
    if own > 0 {
        let detail = format!("{own} by {}", review.person);
        findings.add(Code::ReviewOwn, place(), detail);
    }
    if population.later() > 0 {
        findings.add(Code::ReviewLater, place(), format!("{} of them", population.later()));
    }
}

/// Whether this is a reading of that person's.
fn is_own(event: &Event, person: &str) -> bool {
    matches!(&event.body, Body::EvidenceRead(read) if read.reader == person)
}

fn line(review: &Review, population: &Population, own: u64) -> ReviewLine {
    let said = &review.said;
    ReviewLine {
        review: review.index,
        time: review.time.to_string(),
        person: review.person.clone(),
        groups: review.groups.clone(),
        from: said.from.to_string(),
        to: said.to.to_string(),
        scope: said.scope.clone(),
        counts: said.counts.clone(),
        population: said.population.to_string(),
        finding: said.finding.clone(),
        own,
        later: population.later(),
    }
}

/// The population of a scope and a period in a whole bundle, which the caller has verified.
///
/// # Errors
/// [`ArchiveError`].
pub fn population(
    archive: &Archive,
    size: TreeSize,
    scope: Scope,
    period: (Timestamp, Timestamp),
) -> Result<Population, ArchiveError> {
    let mut population = Population::new(scope, period, size);
    read(archive, size, &mut |leaf, event| {
        population.take(leaf, event);
    })?;
    Ok(population)
}

/// Hands on each entry, with its event where it is one. What cannot be read was found when it was read first.
fn read(archive: &Archive, size: TreeSize, take: &mut dyn FnMut(Digest, Option<&Event>)) -> Result<(), ArchiveError> {
    let tiles = size.0.div_ceil(u64::from(TILE_WIDTH));
    for number in 0..tiles {
        let Some(width) = files::width(0, number, size) else {
            break;
        };
        let Some(tile) = Tile::new(TileKind::Entries, number, width) else {
            break;
        };
        let Some(bytes) = archive.read(&tile.path(), BUNDLE_BYTES_MAX)? else {
            break;
        };
        for entry in entries(&bytes, width).unwrap_or_default() {
            let event = (entry.first() != Some(&SEAL_FIRST_BYTE)).then(|| Event::decode(entry).ok());
            take(Digest::leaf(entry), event.flatten().as_ref());
        }
    }
    Ok(())
}
