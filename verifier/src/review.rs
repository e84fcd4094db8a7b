//! Reviews: each is counted again over the whole log, in a second reading that only a log with reviews needs.
//!
//! Not here: which reviews policies ask for ([`crate::schedule`]).

mod own;

use std::collections::BTreeMap;

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::trust::{EmergencyUse, ReviewSigned};
use exhibit_schemas::event::{Event, SessionId, Timestamp};
use exhibit_schemas::key::KeyId;
use exhibit_schemas::keyring::Keyring;
use exhibit_schemas::merkle::{Frontier, Index, TreeSize};
use exhibit_schemas::review::{self, Definition, Population, Scope};
use exhibit_schemas::seal::SEAL_FIRST_BYTE;
use exhibit_schemas::tile::{BUNDLE_BYTES_MAX, TILE_WIDTH, Tile, TileKind, entries};
use serde::Serialize;

use crate::archive::{Archive, ArchiveError};
use crate::batch::Placed;
use crate::evidence::Evidence;
use crate::files;
use crate::finding::{Code, Findings, Place};
use crate::review::own::Own;
use crate::schedule::Fault;
use crate::void::VoidLine;

/// Reviews that are counted again at the most: one a day in each scope, of several people, for some ten years.
const REVIEWS_MAX: usize = 100_000;

/// Reviews of one person that are counted again at the most, so that nobody crowds out the others.
const REVIEWS_OF_A_PERSON_MAX: usize = 20_000;

/// Different populations of one person that one event is counted into: a day, a week, a month, a year, in two scopes and some
/// sizes, are fewer. It bounds the work by the length of the log, whatever one person signs.
const POPULATIONS_OF_A_PERSON_MAX: u32 = 64;

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
    /// Index of the decision, where it is of one use of emergency access alone.
    pub emergency: Option<Index>,
    /// Events of the population, by kind.
    pub counts: BTreeMap<String, u64>,
    /// Root of the population.
    pub population: String,
    /// What was found, in the person's words.
    pub finding: String,
    /// Events of the population in which the reviewer has a part: readings, decisions, reviews, sessions, keys.
    pub own: u64,
    /// Events of the period and the scope that stand behind the log that was reviewed.
    pub later: u64,
}

/// A review as it passed by, and what came of it.
#[derive(Debug)]
pub(crate) struct Review {
    pub(crate) index: Index,
    pub(crate) time: Timestamp,
    /// When it was signed by the person's clock, and by the log's where that says later.
    pub(crate) signed: Timestamp,
    pub(crate) key: KeyId,
    pub(crate) person: String,
    pub(crate) groups: Vec<String>,
    pub(crate) scope: Scope,
    pub(crate) said: ReviewSigned,
    /// Why it counts for nothing.
    pub(crate) fault: Option<Fault>,
    /// Events of its population in which its signer has a part.
    pub(crate) own: u64,
    /// Events of its period and scope behind the log that was reviewed.
    pub(crate) later: u64,
    /// The first of them.
    pub(crate) first_later: Option<Index>,
}

/// The reviews of a log.
#[derive(Default)]
pub(crate) struct Reviews {
    signed: Vec<Review>,
    of_a_person: BTreeMap<String, usize>,
}

impl Reviews {
    /// A false one is the word of its signer alone, and no fault of the log: it counts for nothing, and a note says so.
    ///
    /// `clock` is the log's, by then. Gives why it counts for nothing, where that is known already and nothing more is to come of it.
    pub(crate) fn signed(
        &mut self,
        placed: &Placed,
        clock: Timestamp,
        said: &ReviewSigned,
        findings: &mut Findings,
    ) -> Option<Fault> {
        let signer = placed.signer.as_ref()?; // whose key it is was not known, which was said
        let place = Place::Entry(placed.index);
        let checked = review::check(said, placed.event.time, TreeSize(placed.index.0));
        let of_the_person = self.of_a_person.entry(signer.name.clone()).or_default();
        let full = self.signed.len() >= REVIEWS_MAX || *of_the_person >= REVIEWS_OF_A_PERSON_MAX;
        let fault = match &checked {
            Err(error) => {
                findings.add(Code::ReviewLog, place, error.to_string());
                Some(Fault::False)
            }
            Ok(_) if full => {
                let detail =
                    format!("{REVIEWS_MAX} are counted again at the most, and {REVIEWS_OF_A_PERSON_MAX} of one person");
                findings.add(Code::ReviewUnchecked, place, detail);
                Some(Fault::Unchecked)
            }
            Ok(_) => None,
        };
        let (Some(scope), false) = (Scope::from_word(&said.scope), full) else {
            return fault;
        };
        *of_the_person += 1;
        self.signed.push(Review {
            index: placed.index,
            time: placed.event.time,
            signed: placed.event.time.max(clock),
            key: signer.key.id(),
            person: signer.name.clone(),
            groups: signer.groups.clone(),
            scope,
            said: said.clone(),
            fault,
            own: 0,
            later: 0,
            first_later: None,
        });
        None
    }

    /// Counts each population again, over a log that was read whole; gives what came of each.
    pub(crate) fn finish(
        mut self,
        archive: &Archive,
        size: TreeSize,
        keyring: &Keyring,
        evidence: &mut Evidence,
        findings: &mut Findings,
    ) -> Result<Vec<Review>, ArchiveError> {
        self.count_again(archive, size, keyring, findings)?;
        for review in &self.signed {
            match review.fault {
                None => evidence.reviewed(line(review)),
                Some(fault) => evidence.void(VoidLine::counted(review, fault)),
            }
        }
        Ok(self.signed)
    }

    fn count_again(
        &mut self,
        archive: &Archive,
        size: TreeSize,
        keyring: &Keyring,
        findings: &mut Findings,
    ) -> Result<(), ArchiveError> {
        let to_count: Vec<&Review> = self.signed.iter().filter(|review| review.fault.is_none()).collect();
        if to_count.is_empty() {
            return Ok(());
        }
        let mut counting = Counting::new(&to_count, keyring);
        read(archive, size, &mut |index, leaf, event| {
            counting.entry(index, leaf, event);
        })?;
        let places = counting.places();
        let judge = |review: &Review| {
            let counted = counting.counted.get(*places.get(&Named::of(review))?)?;
            let root = counting.roots.get(&review.said.size).copied().flatten();
            Some(judge(review, root, counted, findings))
        };
        let judged: Vec<Option<Judged>> = to_count.into_iter().map(judge).collect();
        let counted = self.signed.iter_mut().filter(|review| review.fault.is_none());
        for (review, judged) in counted.zip(judged) {
            let Some(judged) = judged else { continue };
            review.fault = judged.fault;
            (review.own, review.later, review.first_later) = (judged.own, judged.later, judged.first_later);
        }
        Ok(())
    }
}

/// By what reviews have one population: the person, the scope, the period and the size.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Named<'a> {
    from: Timestamp,
    to: Timestamp,
    size: u64,
    definition: Definition,
    scope: &'a str,
    person: &'a str,
    /// Index and leaf hash of the decision, and its session, where it is of one use of emergency access.
    emergency: Option<(Index, Digest, SessionId)>,
}

impl<'a> Named<'a> {
    fn of(review: &'a Review) -> Self {
        Self {
            from: review.said.from,
            to: review.said.to,
            size: review.said.size,
            definition: review.said.definition(),
            scope: &review.said.scope,
            person: &review.person,
            emergency: review
                .said
                .emergency
                .as_ref()
                .map(|used| (used.index, used.decision, used.session)),
        }
    }
}

/// A population as it is counted again.
struct Counted<'a> {
    named: Named<'a>,
    population: Population,
    /// Latest end of the periods up to this one, in the order of their starts.
    reach: Timestamp,
    own: u64,
    /// The first event of the scope and the period that stands behind the size.
    first_later: Option<Index>,
    /// It was one too many of its person for some event, and is not counted.
    given_up: bool,
}

/// All populations and the roots of all logs that were reviewed, in one pass.
struct Counting<'a> {
    /// By the starts of their periods.
    counted: Vec<Counted<'a>>,
    log: Frontier,
    /// Roots at the sizes that reviews name.
    roots: BTreeMap<u64, Option<Digest>>,
    own: Own<'a>,
}

impl<'a> Counting<'a> {
    fn new(reviews: &[&'a Review], keyring: &'a Keyring) -> Self {
        let mut named: BTreeMap<Named<'a>, Scope> = BTreeMap::new();
        named.extend(reviews.iter().map(|review| (Named::of(review), review.scope)));
        let mut reach = Timestamp(0);
        let counted = named.into_iter().map(|(named, scope)| {
            reach = reach.max(named.to);
            Counted {
                named,
                population: Population::by(named.definition, scope, (named.from, named.to), TreeSize(named.size))
                    .of_use(named.emergency.map(|(index, decision, session)| EmergencyUse {
                        index,
                        decision,
                        session,
                    })),
                reach,
                own: 0,
                first_later: None,
                given_up: false,
            }
        });
        Self {
            counted: counted.collect(),
            log: Frontier::default(),
            roots: reviews.iter().map(|review| (review.said.size, None)).collect(),
            own: Own::new(reviews.iter().map(|review| review.person.as_str()), keyring),
        }
    }

    fn places(&self) -> BTreeMap<Named<'a>, usize> {
        let counted = self.counted.iter().zip(0..);
        counted.map(|(counted, place)| (counted.named, place)).collect()
    }

    fn entry(&mut self, index: Index, leaf: Digest, event: Option<&Event>) {
        self.log.append(leaf, |_, _, _| {});
        if let Some(root) = self.roots.get_mut(&self.log.size().0) {
            *root = Some(self.log.root());
        }
        let Some(event) = event else { return };
        self.own.event(event);
        let begun = self
            .counted
            .partition_point(|counted| counted.population.from() <= event.time);
        let mut of_a_person: BTreeMap<&str, u32> = BTreeMap::new();
        let begun = self.counted.get_mut(..begun).unwrap_or_default();
        for counted in begun.iter_mut().rev() {
            if counted.reach <= event.time {
                break;
            }
            if counted.given_up || !counted.population.concerns(event) {
                continue;
            }
            let person = counted.named.person;
            let populations = of_a_person.entry(person).or_default();
            *populations += 1;
            if *populations > POPULATIONS_OF_A_PERSON_MAX {
                counted.given_up = true;
            } else if !counted.population.take(index, leaf, event) {
                counted.first_later.get_or_insert(index);
            } else if self.own.is_of(event, person) {
                counted.own += 1;
            }
        }
    }
}

/// What came of a review when its population was counted again.
struct Judged {
    fault: Option<Fault>,
    own: u64,
    later: u64,
    first_later: Option<Index>,
}

/// Says what is found of a review, and what came of it.
fn judge(review: &Review, root: Option<Digest>, counted: &Counted<'_>, findings: &mut Findings) -> Judged {
    let (said, population) = (&review.said, &counted.population);
    let mut found = |code, detail: String| findings.add(code, Place::Entry(review.index), detail);
    let mut judged = Judged {
        fault: None,
        own: counted.own,
        later: population.later(),
        first_later: counted.first_later,
    };
    let Some(root) = root.filter(|root| *root == said.root) else {
        let of = root.map(|root| format!("has the root {root}"));
        let of = of.unwrap_or_else(|| "could not be read".to_owned());
        found(Code::ReviewLog, format!("the log of {} entries {of}", said.size));
        judged.fault = Some(Fault::False);
        return judged;
    };
    if counted.given_up {
        let detail =
            format!("one event is counted into {POPULATIONS_OF_A_PERSON_MAX} populations of one person at the most");
        found(Code::ReviewUnchecked, detail);
        judged.fault = Some(Fault::Unchecked);
        return judged;
    }
    let again = population.signed(root, said.finding.clone());
    if again != *said {
        let detail = format!("counted again, its root is {}", again.population);
        found(Code::ReviewPopulation, detail);
        judged.fault = Some(Fault::False);
        return judged;
    }
    if counted.own > 0 {
        found(Code::ReviewOwn, format!("{} by {}", counted.own, review.person));
    }
    if population.later() > 0 {
        found(Code::ReviewLater, format!("{} of them", population.later()));
    }
    judged
}

fn line(review: &Review) -> ReviewLine {
    let said = &review.said;
    ReviewLine {
        review: review.index,
        time: review.time.to_string(),
        person: review.person.clone(),
        groups: review.groups.clone(),
        from: said.from.to_string(),
        to: said.to.to_string(),
        scope: said.scope.clone(),
        emergency: said.emergency.as_ref().map(|used| used.index),
        counts: said.counts.clone(),
        population: said.population.to_string(),
        finding: said.finding.clone(),
        own: review.own,
        later: review.later,
    }
}

/// The population of a scope and a period in a whole bundle, which the caller has verified; of one use of emergency access, where one is
/// given.
///
/// # Errors
/// [`ArchiveError`].
pub fn population(
    archive: &Archive,
    size: TreeSize,
    scope: Scope,
    period: (Timestamp, Timestamp),
    emergency: Option<EmergencyUse>,
) -> Result<Population, ArchiveError> {
    let mut population = Population::new(scope, period, size).of_use(emergency);
    read(archive, size, &mut |index, leaf, event| {
        if let Some(event) = event {
            population.take(index, leaf, event);
        }
    })?;
    Ok(population)
}

/// Hands on each entry, with its event where it is one. What cannot be read was found when it was read first.
fn read(
    archive: &Archive,
    size: TreeSize,
    take: &mut dyn FnMut(Index, Digest, Option<&Event>),
) -> Result<(), ArchiveError> {
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
        let first = number * u64::from(TILE_WIDTH);
        for (index, entry) in (first..).zip(entries(&bytes, width).unwrap_or_default()) {
            let event = (entry.first() != Some(&SEAL_FIRST_BYTE)).then(|| Event::decode(entry).ok());
            take(Index(index), Digest::leaf(entry), event.flatten().as_ref());
        }
    }
    Ok(())
}
