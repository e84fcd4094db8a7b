//! The log that is changed, what a mutant is, and all classes of mutants.

#[path = "emergencies.rs"]
pub(crate) mod emergencies;
#[path = "entries.rs"]
mod entries;
#[path = "events.rs"]
mod events;
#[path = "logins.rs"]
mod logins;
#[path = "mask_keys.rs"]
mod mask_keys;
#[path = "objects.rs"]
pub(crate) mod objects;
#[path = "patients.rs"]
mod patients;
#[path = "policies.rs"]
mod policies;
#[path = "previews.rs"]
pub(crate) mod previews;
#[path = "raw.rs"]
mod raw;
#[path = "readings.rs"]
mod readings;
#[path = "reviews.rs"]
pub(crate) mod reviews;
#[path = "schedules.rs"]
pub(crate) mod schedules;
#[path = "sealed.rs"]
mod sealed;
#[path = "signatures.rs"]
mod signatures;

use exhibit_schemas::bundle::TrustAnchors;
use exhibit_schemas::merkle::Index;
use exhibit_tests::bundle_builder::clinic::{Clinic, IDENTIFYING, LOG, ORIGIN, POLICY, SEALING, clinic, clinic_under};
use exhibit_tests::bundle_builder::{Built, Files, Plan, checkpoint, files};
use exhibit_verify::{Code, KeptHead};

/// Sessions of the log: enough entries for full tiles on two levels.
const SESSIONS: u8 = 12;

/// `SplitMix64` (Steele, Lea, Flood 2014): small, seeded, and the same everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % u64::try_from(limit).expect("fits")).expect("fits")
    }

    pub(crate) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }
}

/// What must be found: one of the codes, at the file or the entries.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expected {
    pub(crate) codes: Vec<Code>,
    pub(crate) entries: Option<(u64, u64)>,
    pub(crate) file: Option<String>,
}

impl Expected {
    pub(crate) fn at(codes: &[Code], first: Index, last: Index) -> Self {
        Self {
            codes: codes.to_vec(),
            entries: Some((first.0, last.0)),
            ..Self::default()
        }
    }

    pub(crate) fn file(codes: &[Code], path: &str) -> Self {
        Self {
            codes: codes.to_vec(),
            file: Some(path.to_owned()),
            ..Self::default()
        }
    }
}

/// A changed bundle.
pub(crate) struct Mutant {
    pub(crate) class: &'static str,
    pub(crate) what: String,
    pub(crate) files: Files,
    /// What the auditor trusts.
    pub(crate) anchors: TrustAnchors,
    /// Files that the archive holds a second time.
    pub(crate) again: Files,
    pub(crate) heads: Vec<KeptHead>,
    pub(crate) expected: Expected,
    /// More than one thing was changed, so more findings are right.
    pub(crate) many: bool,
}

/// Who signs the head of a changed log.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Head {
    /// Nobody: the honest head stays.
    Kept,
    /// A key that nobody trusts.
    Stranger,
    /// The log's own key.
    Owned,
}

/// The log that is changed.
pub(crate) struct Base {
    pub(crate) clinic: Clinic,
    pub(crate) built: Built,
    note: String,
}

impl Base {
    pub(crate) fn new() -> Self {
        Self::of(clinic(SESSIONS))
    }

    /// The log under a policy that has exact commands sealed.
    pub(crate) fn sealing() -> Self {
        Self::of(clinic_under(&format!("{POLICY}{SEALING}"), SESSIONS))
    }

    /// The log under a policy that names patients.
    pub(crate) fn identifying() -> Self {
        Self::of(clinic_under(&format!("{POLICY}{IDENTIFYING}"), SESSIONS))
    }

    /// The log whose policies people sign.
    pub(crate) fn signing() -> Self {
        signatures::signing(Self::new())
    }

    pub(crate) fn of(clinic: Clinic) -> Self {
        let built = clinic.plan.build();
        let note = checkpoint(&built.entries, ORIGIN, LOG).note().to_owned();
        Self { clinic, built, note }
    }

    pub(crate) fn plan(&self) -> Plan {
        self.clinic.plan.clone()
    }

    /// Nothing changed.
    pub(crate) fn honest(&self) -> Mutant {
        self.entries(
            "honest",
            String::new(),
            &self.built.entries,
            Head::Kept,
            Expected::default(),
        )
    }

    /// A head that somebody kept of the whole log.
    pub(crate) fn kept(&self) -> KeptHead {
        KeptHead {
            name: "kept".into(),
            note: self.note.clone(),
        }
    }

    /// A bundle of these entries: tiles, root and manifest are right for them, the head is as `head` says.
    pub(crate) fn entries(
        &self,
        class: &'static str,
        what: String,
        entries: &[Vec<u8>],
        head: Head,
        expected: Expected,
    ) -> Mutant {
        let note = match head {
            Head::Kept => self.note.clone(),
            Head::Stranger => checkpoint(entries, ORIGIN, 99).note().to_owned(),
            Head::Owned => checkpoint(entries, ORIGIN, LOG).note().to_owned(),
        };
        Mutant {
            class,
            what,
            files: files(entries, &note, &self.clinic.anchors),
            anchors: self.clinic.anchors.clone(),
            again: Files::new(),
            heads: Vec::new(),
            expected,
            many: false,
        }
    }

    /// A changed plan, sealed again with the emitters' own keys and signed by the log's own key.
    pub(crate) fn sealed(&self, class: &'static str, what: String, plan: &Plan, expected: Expected) -> Mutant {
        self.entries(class, what, &plan.build().entries, Head::Owned, expected)
    }
}

/// All mutants.
pub(crate) fn mutants(base: &Base, random: &mut Random) -> Vec<Mutant> {
    let mut mutants = raw::mutants(base, random);
    mutants.extend(entries::mutants(base, random));
    mutants.extend(events::mutants(base, random));
    mutants.extend(mask_keys::mutants(base, random));
    mutants.extend(logins::mutants(base, random));
    mutants.extend(sealed::mutants(base, random));
    mutants.extend(patients::mutants(base, random));
    mutants.extend(policies::mutants(base, random));
    mutants.extend(readings::mutants(base, random));
    mutants.extend(reviews::mutants(base));
    mutants.extend(signatures::mutants(Base::new(), random));
    mutants.extend(emergencies::mutants(random));
    mutants.extend(previews::mutants(base, random));
    mutants
}
