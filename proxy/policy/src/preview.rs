//! Previews: what a command would change, by a run of it at its target that is rolled back before people are asked.
//!
//! An approval says whether people are shown one (`preview = "rolled-back"`). It decides nothing: the facts of the command and the
//! decision about it are the same with and without.
//!
//! Not here: what may be run so, and running it (the protocol), and recording that first (the gate).

use exhibit_schemas::event::access::{Access, Action, Attribute, DecisionRecord, Effect, Facts, Principal};

use crate::decide::{CLASS, decide};
use crate::estimate::ESTIMATED_ROWS;
use crate::probe;
use crate::seen::FIRST_SEEN;
use crate::snapshot::Snapshot;

/// How long after a run was recorded people are told its count at the most: far longer than a run lasts, and short enough that what it
/// met is what they are asked about.
pub const FRESH_US: u64 = 60_000_000;

/// By what people are shown what a command would change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preview {
    /// By a run in a transaction that is rolled back, whatever comes of it.
    RolledBack,
}

impl Preview {
    /// The word in a policy.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RolledBack => "rolled-back",
        }
    }
}

/// A column that a run meets without its being named: of the other side of a foreign key, or of what stands in the way of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Met {
    /// Its relation (`schema.relation`).
    pub relation: String,
    /// The column (`schema.relation.column`), or all of them (`schema.relation.*`).
    pub column: String,
}

impl Snapshot {
    /// The preview that people are shown by whom a decision has them asked; `None` where they are shown none, and where nobody is asked.
    pub fn preview(&self, decision: &DecisionRecord) -> Option<Preview> {
        let name = decision
            .approval
            .as_deref()
            .filter(|_| decision.effect == Effect::Ask)?;
        self.approval(name)?.preview
    }

    /// Whether people are asked about a request who are shown a preview.
    pub fn wants_preview(&self, principal: &Principal, target: &str, facts: &Facts) -> bool {
        self.preview(&decide(self, principal, target, facts)).is_some()
    }

    /// Whether whoever makes a request may read all that it names and meets, as it is and without anybody being asked: what it changes,
    /// and the columns that it touches there, too. A run that is rolled back tells its agent no more then than a query could.
    pub fn may_read_all(&self, principal: &Principal, target: &str, facts: &Facts, met: &[Met]) -> bool {
        let mut read = facts.clone();
        let relations = met.iter().map(|met| Access(Action::Read, Some(met.relation.clone())));
        read.accesses.extend(relations);
        if let Some(columns) = &mut read.columns {
            columns.extend(met.iter().map(|met| met.column.clone()));
            columns.sort();
            columns.dedup();
        }
        for Access(action, _) in &mut read.accesses {
            *action = Action::Read;
        }
        read.accesses.sort();
        read.accesses.dedup();
        if let Some(class) = read.attributes.get_mut(CLASS) {
            *class = Attribute::Text("select".to_owned());
        }
        // What was told of the change says nothing of a query: nobody knows how many rows that reads, and it was not run before.
        read.attributes.remove(ESTIMATED_ROWS);
        if let Some(first_seen) = read.attributes.get_mut(FIRST_SEEN) {
            *first_seen = Attribute::Bool(true);
        }
        // Values that are tried are counted where they are tried, and not a second time for what is only shown.
        let tries = probe::columns(facts).next().is_some();
        // What is masked is not read as it is, whoever may read it.
        let masked = match &read.columns {
            None => self.masks_target(target),
            Some(columns) => columns.iter().any(|column| self.masks_any_of(target, column)),
        };
        !tries && !masked && decide(self, principal, target, &read).effect == Effect::Allow
    }

    /// Whether a column, or any of all columns (`schema.relation.*`), is masked.
    fn masks_any_of(&self, target: &str, column: &str) -> bool {
        let mut masks = self.masks().iter().filter(|mask| mask.targets.contains(target));
        match column.strip_suffix('*') {
            Some(prefix) => masks.any(|mask| mask.resources.iter().any(|pattern| pattern.can_match_below(prefix))),
            None => self.mask(target, column).is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use exhibit_schemas::digest::Digest;
    use exhibit_schemas::event::access::{Access, Action, Attribute, Facts, Principal};

    use super::{Met, Preview};
    use crate::decide::decide;
    use crate::snapshot::Snapshot;

    const POLICY: &str = "version = 1\n[[roles]]\nname = \"r\"\nmatch = { method = \"api-key\" }\n[[targets]]\nname = \"t\"\n\
         protocol = \"postgres\"\n[[targets]]\nname = \"u\"\nprotocol = \"postgres\"\n[[approvals]]\nname = \"a\"\ngroups = [\"g\"]\n\
         people = 1\nexpires_s = 1\npreview = \"rolled-back\"\n[[approvals]]\nname = \"b\"\ngroups = [\"g\"]\npeople = 1\n\
         expires_s = 1\n[[rules]]\nname = \"writes\"\nroles = [\"r\"]\ntargets = [\"t\"]\nactions = [\"write\"]\neffect = \"ask\"\n\
         approval = \"a\"\n[[rules]]\nname = \"deletes\"\nroles = [\"r\"]\ntargets = [\"t\", \"u\"]\nactions = [\"delete\"]\n\
         effect = \"ask\"\napproval = \"b\"\n[[rules]]\nname = \"reads\"\nroles = [\"r\"]\ntargets = [\"t\"]\nactions = [\"read\"]\n\
         effect = \"allow\"\n";

    fn principal() -> Principal {
        Principal {
            method: "api-key".into(),
            issuer: "keys".into(),
            subject: "ci".into(),
            client_id: None,
            groups: Vec::new(),
            evidence: Digest([1; 32]),
            run: None,
        }
    }

    #[test]
    fn people_are_shown_one_where_their_approval_says_so_and_nowhere_else() {
        let snapshot = Snapshot::parse(POLICY.as_bytes()).unwrap();
        assert!(snapshot.previews("t") && !snapshot.previews("u"));
        let wants = |actions: &[Action]| {
            let accesses = actions.iter().map(|action| Access(*action, Some("public.x".into())));
            let facts = Facts {
                accesses: accesses.collect(),
                attributes: [].into(),
                columns: None,
            };
            let decision = decide(&snapshot, &principal(), "t", &facts);
            assert_eq!(
                snapshot.wants_preview(&principal(), "t", &facts),
                snapshot.preview(&decision).is_some()
            );
            snapshot.preview(&decision)
        };
        assert_eq!(wants(&[Action::Write]), Some(Preview::RolledBack));
        assert_eq!(wants(&[Action::Read, Action::Write]), Some(Preview::RolledBack));
        for none in [&[Action::Delete][..], &[Action::Read], &[Action::Define]] {
            assert_eq!(wants(none), None, "{none:?}");
        }
        // Two approvals at once are none.
        assert_eq!(wants(&[Action::Write, Action::Delete]), None);
    }

    #[test]
    fn whoever_changes_may_read_it_only_where_its_rules_say_so() {
        let asked = format!(
            "{POLICY}[[rules]]\nname = \"secret\"\nroles = [\"r\"]\ntargets = [\"t\"]\nactions = [\"write\"]\n\
             resources = [\"public.secret\"]\neffect = \"ask\"\napproval = \"a\"\n"
        );
        let secret = asked.replacen(
            "name = \"reads\"\n",
            "name = \"hidden\"\nroles = [\"r\"]\ntargets = [\"t\"]\nresources = [\"public.secret\"]\nactions = [\"read\"]\n\
             effect = \"ask\"\napproval = \"a\"\n[[rules]]\nname = \"reads\"\n",
            1,
        );
        let snapshot = Snapshot::parse(secret.as_bytes()).unwrap();
        let may = |accesses: &[(Action, &str)]| {
            let accesses = accesses
                .iter()
                .map(|(action, name)| Access(*action, Some((*name).to_owned())));
            let facts = Facts {
                accesses: accesses.collect(),
                attributes: [].into(),
                columns: None,
            };
            snapshot.may_read_all(&principal(), "t", &facts, &[])
        };
        assert!(may(&[(Action::Write, "public.x"), (Action::Read, "public.y")]));
        assert!(!may(&[(Action::Write, "public.secret")]));
        assert!(!may(&[(Action::Read, "public.secret"), (Action::Write, "public.x")]));
    }

    #[test]
    fn what_is_told_of_a_change_allows_no_query() {
        let may = |condition: &str, attributes: &[(&str, Attribute)]| {
            let policy = POLICY.replacen("actions = [\"read\"]", &format!("actions = [\"read\"]\n{condition}"), 1);
            let snapshot = Snapshot::parse(policy.as_bytes()).unwrap();
            let attributes = attributes
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone()));
            let facts = Facts {
                accesses: vec![Access(Action::Write, Some("public.x".into()))],
                attributes: attributes.collect(),
                columns: None,
            };
            snapshot.may_read_all(&principal(), "t", &facts, &[])
        };
        let class = |word: &str| ("class", Attribute::Text(word.to_owned()));
        assert!(may("when = { class = \"select\" }", &[class("update")]));
        assert!(!may("when = { class = \"update\" }", &[class("update")]));
        assert!(may("", &[]));
        // It tries values of a masked column.
        assert!(!may("", &[("probe:public.x.ssn", Attribute::Integer(1))]));
        let seen = |first: bool| [("first_seen", Attribute::Bool(first))];
        assert!(!may("when = { first_seen = false }", &seen(false)));
        assert!(may("", &seen(false)));
    }

    #[test]
    fn a_query_of_which_nobody_knows_how_many_rows_it_reads_is_over_every_number_of_them() {
        let over = "name = \"many\"\nroles = [\"r\"]\ntargets = [\"t\"]\nactions = [\"read\"]\nover = { estimated_rows = 100 }\n\
             effect = \"ask\"\napproval = \"a\"\n[[rules]]\nname = \"reads\"\n";
        let snapshot = Snapshot::parse(POLICY.replacen("name = \"reads\"\n", over, 1).as_bytes()).unwrap();
        let facts = Facts {
            accesses: vec![Access(Action::Write, Some("public.x".into()))],
            attributes: [("estimated_rows".to_owned(), Attribute::Integer(1))].into(),
            columns: None,
        };
        assert!(!snapshot.may_read_all(&principal(), "t", &facts, &[]));
    }

    #[test]
    fn what_is_masked_or_met_unread_is_not_read_as_it_is() {
        let hides = "name = \"hidden\"\nroles = [\"r\"]\ntargets = [\"t\"]\nresources = [\"public.hidden\"]\n\
             actions = [\"read\"]\neffect = \"deny\"\n[[rules]]\nname = \"half\"\nroles = [\"r\"]\ntargets = [\"t\"]\n\
             columns = [\"public.half.secret\"]\nactions = [\"read\"]\neffect = \"deny\"\n[[rules]]\nname = \"reads\"\n";
        let policy = POLICY.replacen("name = \"reads\"\n", hides, 1)
            + "[[masks]]\nname = \"m\"\ntargets = [\"t\"]\nresources = [\"public.x.ssn\"]\ntechnique = \"redact\"\n";
        let snapshot = Snapshot::parse(policy.as_bytes()).unwrap();
        let may = |columns: Option<&[&str]>, met: &[(&str, &str)]| {
            let facts = Facts {
                accesses: vec![Access(Action::Write, Some("public.x".into()))],
                attributes: [].into(),
                columns: columns.map(|columns| columns.iter().map(|column| (*column).to_owned()).collect()),
            };
            let met = met.iter().map(|(relation, column)| Met {
                relation: (*relation).to_owned(),
                column: (*column).to_owned(),
            });
            snapshot.may_read_all(&principal(), "t", &facts, &met.collect::<Vec<_>>())
        };
        let id: Option<&[&str]> = Some(&["public.x.id"]);
        assert!(may(id, &[]));
        assert!(!may(Some(&["public.x.id", "public.x.ssn"]), &[]));
        assert!(!may(Some(&["public.x.*"]), &[]));
        assert!(may(Some(&["public.y.*"]), &[]));
        // Of its columns nothing is known.
        assert!(!may(None, &[]));
        assert!(may(id, &[("public.y", "public.y.ssn")]));
        assert!(!may(id, &[("public.x", "public.x.ssn")]));
        assert!(!may(id, &[("public.x", "public.x.*")]));
        assert!(!may(id, &[("public.hidden", "public.hidden.id")]));
        assert!(!may(id, &[("public.half", "public.half.secret")]));
        assert!(may(id, &[("public.half", "public.half.id")]));
    }

    #[test]
    fn no_other_word_is_taken() {
        for wrong in ["\"rolledback\"", "\"none\"", "true", "[]", "{}"] {
            let policy = POLICY.replacen("\"rolled-back\"", wrong, 1);
            assert!(Snapshot::parse(policy.as_bytes()).is_err(), "{wrong}");
        }
        assert_eq!(Preview::RolledBack.as_str(), "rolled-back");
    }
}
