//! Resources of FHIR R4 as JSON: which mask is for a value, by the type of the resource that it stands in.
//!
//! A mask names resources of a type (`bulk.Patient`), and its paths begin at the resource, wherever that stands: alone, in a
//! bundle (`entry`), in parameters, or contained in another one, which then has its own mask. A `resourceType` anywhere else is
//! refused: it would move what is below it out of reach of the paths of the resource around. So is anything in such a place
//! that does not say its type, for it would have the mask of the resource around, whose paths do not begin there.
//!
//! What no path of a mask covers stays, but for two places that hold what the others hold in other words:
//!
//! - a narrative (`text.div`, of the resource or of a section) gives way to an empty one that says `[redacted]`, where the rest is kept or redacted;
//! - values in extensions are searched by detectors as `detect` does, for a path can hardly name them.
//!
//! What a bundle holds of itself is searched, too, under a mask with a star as without one, but for words of FHIR; its links, and
//! the addresses of requests and responses, which ask for somebody, are redacted.
//!
//! Where a document holds PHI, a type that no mask is for is refused.

use std::collections::HashMap;

use exhibit_policy::mask::REDACTED;
use exhibit_policy::mask::document::{DocumentMasker, Otherwise, Piece, Slot, Treatment};
use exhibit_policy::mask::path::Step;
use exhibit_policy::net::SessionNet;

use crate::error::Reason;

/// Types of resources in one document at the most; FHIR R4 has 148.
pub const RESOURCE_TYPES_MAX: usize = 512;

/// Resources in one piece at the most, the outermost one among them: each is compared with the place of each value.
pub const RESOURCES_MAX: usize = 1_024;

/// What stands in the place of a narrative; `div` has to be a div (FHIR R4, Narrative).
const NARRATIVE: &str = "<div xmlns=\"http://www.w3.org/1999/xhtml\">[redacted]</div>";

/// The member that says what type a resource is of.
pub(crate) const RESOURCE_TYPE: &str = "resourceType";

/// What holds other resources by nature: it needs no mask, for what it holds of itself is searched or redacted.
pub(crate) const BUNDLE: &str = "Bundle";

/// Resources of a document, with the places of their masks.
#[derive(Default)]
pub(crate) struct Resources {
    slots: HashMap<String, Slot>,
}

/// A resource in a piece of a document.
struct Base {
    place: Vec<Step>,
    kind: String,
}

impl Resources {
    /// Hands over a piece. `outer` is the type of the resource whose members are pieces of their own.
    pub(crate) fn piece(
        &mut self,
        piece: Piece<'_>,
        outer: Option<&str>,
        out: &mut DocumentMasker,
        net: &mut SessionNet,
    ) -> Result<(), Reason> {
        let mut bases: Vec<Base> = outer.map(Base::outermost).into_iter().collect();
        let mut fault = None;
        let mut found = |place: &[Step], raw: &str| {
            if let Err(reason) = add(&mut bases, place, raw) {
                fault.get_or_insert(reason);
            }
        };
        piece.look(&mut found).ok_or(Reason::Json)?;
        if let Some(reason) = fault {
            return Err(reason);
        }
        if !bases.iter().any(|base| base.place.is_empty()) || !all_may_stand(&bases) {
            return Err(Reason::Resource);
        }
        let mut all_say_their_type = true;
        piece
            .look(&mut |place, _| all_say_their_type &= says_its_type(&bases, place))
            .ok_or(Reason::Json)?;
        if !all_say_their_type {
            return Err(Reason::Resource);
        }
        for base in &bases {
            self.slot(&base.kind, out, net)?;
        }
        let slots = &self.slots;
        let mut treat = |place: &[Step]| treatment(slots, &bases, place);
        out.json(piece, &mut treat, net).ok_or(Reason::Json)
    }

    /// Looks the mask of a type up.
    fn slot(&mut self, kind: &str, out: &DocumentMasker, net: &SessionNet) -> Result<(), Reason> {
        if self.slots.contains_key(kind) {
            return Ok(());
        }
        let slot = out.slot(kind, "", net);
        if out.document().phi && !slot.is_masked() && kind != BUNDLE {
            return Err(Reason::UnmaskedResource);
        }
        if self.slots.len() >= RESOURCE_TYPES_MAX {
            return Err(Reason::TooManyTypes);
        }
        self.slots.insert(kind.to_owned(), slot);
        Ok(())
    }
}

impl Base {
    fn outermost(kind: &str) -> Self {
        Self {
            place: Vec::new(),
            kind: kind.to_owned(),
        }
    }
}

/// Remembers the resource whose type this value says.
fn add(bases: &mut Vec<Base>, place: &[Step], raw: &str) -> Result<(), Reason> {
    let is_type = |step: &Step| matches!(step, Step::Member(name) if name == RESOURCE_TYPE);
    let Some((last, place)) = place.split_last() else {
        return Ok(());
    };
    // A type is a string, and nothing stands in it.
    if place.iter().any(is_type) {
        return Err(Reason::Resource);
    }
    if !is_type(last) {
        return Ok(());
    }
    let kind: String = serde_json::from_str(raw).map_err(|_| Reason::Resource)?;
    let is_type = !kind.is_empty() && kind.len() <= 64 && kind.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_type || bases.iter().any(|base| base.place == place) {
        return Err(Reason::Resource);
    }
    if bases.len() >= RESOURCES_MAX {
        return Err(Reason::TooManyResources);
    }
    bases.push(Base {
        place: place.to_vec(),
        kind,
    });
    Ok(())
}

/// The innermost resource around a place.
fn around<'a>(bases: &'a [Base], place: &[Step]) -> Option<&'a Base> {
    let within = bases.iter().filter(|base| place.starts_with(&base.place));
    within.max_by_key(|base| base.place.len())
}

/// Whether a resource may stand at a place, whose steps begin at the resource around it.
fn may_stand(outer: &str, place: &[Step]) -> bool {
    let names = names(place);
    match (outer, names.as_slice()) {
        (_, ["contained", "*"]) | (BUNDLE, ["entry", "*", "resource"] | ["entry", "*", "response", "outcome"]) => true,
        ("Parameters", ["parameter", "*", rest @ .., "resource"]) => rest.chunks(2).all(|part| part == ["part", "*"]),
        _ => false,
    }
}

/// Whether the resource in which a value stands says what type it is of: otherwise the value would pass for one of the
/// resource around.
fn says_its_type(bases: &[Base], place: &[Step]) -> bool {
    around(bases, place).is_some_and(|base| {
        let inner = names(place.get(base.place.len()..).unwrap_or_default());
        !is_in_another(&base.kind, &inner)
    })
}

/// Whether a place of a resource is one in which another one has to stand, or below it, in lists or not.
fn is_in_another(kind: &str, place: &[&str]) -> bool {
    let mut rest = place.iter().copied().filter(|name| *name != "*");
    match (rest.next(), kind) {
        (Some("contained"), _) => true,
        (Some("entry"), BUNDLE) => match rest.next() {
            Some("response") => rest.next() == Some("outcome"),
            next => next == Some("resource"),
        },
        (Some("parameter"), "Parameters") => rest.find(|name| *name != "part") == Some("resource"),
        _ => false,
    }
}

fn treatment(slots: &HashMap<String, Slot>, bases: &[Base], place: &[Step]) -> Treatment {
    let base = around(bases, place);
    let kind = base.map_or("", |base| base.kind.as_str());
    let outer = base.map_or(0, |base| base.place.len());
    let slot = slots.get(kind).cloned().unwrap_or_default();
    let otherwise = otherwise(kind, place.get(outer..).unwrap_or_default());
    Treatment { slot, outer, otherwise }
}

/// What becomes of a value of a resource for which there is no path.
fn otherwise(kind: &str, place: &[Step]) -> Otherwise {
    let names: Vec<&str> = names(place);
    match names.as_slice() {
        names if is_narrative(names) => Otherwise::Text(NARRATIVE),
        names if names.contains(&"extension") || names.contains(&"modifierExtension") => Otherwise::Search,
        names if kind == BUNDLE => of_bundle(names),
        _ => Otherwise::Keep,
    }
}

/// What becomes of a value that a bundle holds of itself, under a mask or not: words of FHIR and times stay, addresses that may
/// ask for somebody do not, and the rest is searched.
fn of_bundle(names: &[&str]) -> Otherwise {
    match names {
        [RESOURCE_TYPE | "type" | "total" | "timestamp"]
        | ["link", "*", "relation"]
        | ["entry", "*", "link", "*", "relation"]
        | ["entry", "*", "search", "mode"]
        | ["entry", "*", "request", "method"]
        | ["entry", "*", "response", "status" | "etag" | "lastModified"] => Otherwise::Keep,
        [.., "link", "*", "url"]
        | ["entry", "*", "request", "url" | "ifNoneExist"]
        | ["entry", "*", "response", "location"] => Otherwise::Text(REDACTED),
        _ => Otherwise::Search,
    }
}

/// Whether a place is in a narrative, of the resource or of a part of it, in lists or not.
fn is_narrative(names: &[&str]) -> bool {
    let members = names.iter().filter(|name| **name != "*");
    let next = members.clone().skip(1);
    members.zip(next).any(|pair| pair == (&"text", &"div"))
}

/// The names of steps; `*` for an element.
fn names(place: &[Step]) -> Vec<&str> {
    let mut names = Vec::with_capacity(place.len());
    for step in place {
        names.push(match step {
            Step::Member(name) => name.as_str(),
            Step::Element(_) => "*",
        });
    }
    names
}

/// Whether all resources of a piece stand where resources may.
fn all_may_stand(bases: &[Base]) -> bool {
    bases.iter().filter(|base| !base.place.is_empty()).all(|base| {
        let (_, shorter) = base.place.split_last().unwrap_or((&Step::Element(0), &[]));
        around(bases, shorter)
            .is_some_and(|outer| may_stand(&outer.kind, base.place.get(outer.place.len()..).unwrap_or_default()))
    })
}
