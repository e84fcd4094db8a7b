//! The evidence report: what a verified log shows, each line with the indexes it stands on, as JSON and as HTML.
//!
//! [`Report::of`] takes `Verified<Bundle>` and nothing else; a refused bundle gets a cover that says so and lists its
//! findings, and no result. The same bundle gives the same bytes: there is no clock and no order but the log's.
//!
//! Controls are those of 45 CFR 164 that this version can test on the whole population; the auditor concludes.
//!
//! Not here: what an index stands for (the bundle holds it).

mod html;

use serde::Serialize;

use crate::VERIFIER_VERSION;
use crate::evidence::Evidence;
use crate::finding::Code;
use crate::summary::FindingLine;
use crate::verify::{Bundle, Outcome, Refused, Verified};

/// Name and version of the JSON.
pub const REPORT_FORMAT: &str = "exhibit-report/1";

/// What the report does not claim; stands on every cover.
pub const LIMITS: [&str; 7] = [
    "It covers what went through the gateway since the log began. Access that goes round the gateway is not in it.",
    "Entries are tamper-evident: a change of what was recorded shows. That nothing was cut off after the last entry shows only against checkpoints kept elsewhere.",
    "Who signed is shown by keys. That a key was used only by its holder is not shown.",
    "A proxy states what it saw and what it released. A proxy whose machine is owned can state what is false about its own sessions from then on.",
    "Sealed copies of exact commands are found whole and encrypted, and are not opened. That a copy holds the bytes of its command is shown only by who can open it, against the command's digest. Who copies a copy and opens it elsewhere leaves no event.",
    "Masks are compared with the policy and with the look of each released cell. Masked values may still be protected health information.",
    "This is evidence for an assessment, not its conclusion, and no statement about law.",
];

/// A report.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    /// The cover.
    pub cover: Cover,
    /// Controls that were tested; none of a refused bundle.
    pub controls: Vec<Control>,
    /// Findings: notes of a verified bundle, all of a refused one.
    pub findings: Vec<FindingLine>,
    /// The lines; none of a refused bundle.
    pub evidence: Option<&'a Evidence>,
}

/// What stands on the first page.
#[derive(Debug, Serialize)]
pub struct Cover {
    /// [`REPORT_FORMAT`].
    pub format: &'static str,
    /// `verified` or `refused`.
    pub result: &'static str,
    /// The log's name.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// The root, of a verified bundle.
    pub root: Option<String>,
    /// The log's key.
    pub log_key: String,
    /// Version of the verifier.
    pub verifier: &'static str,
    /// Kept checkpoints that the log was compared with.
    pub heads: usize,
    /// Errors.
    pub errors: u64,
    /// Notes.
    pub notes: u64,
    /// What is not claimed.
    pub limits: &'static [&'static str],
}

/// A control, tested on its whole population.
#[derive(Debug, Serialize)]
pub struct Control {
    /// Cite in 45 CFR Part 164.
    pub cite: &'static str,
    /// What the population is.
    pub population: &'static str,
    /// How many there are.
    pub count: u64,
    /// What was tested of each.
    pub test: &'static str,
    /// Indexes of the exceptions.
    pub exceptions: Vec<u64>,
    /// The result in words.
    pub result: String,
}

impl<'a> Report<'a> {
    /// The report of an answer: with results only of a verified bundle.
    pub fn of(outcome: &'a Outcome) -> Self {
        match outcome {
            Outcome::Verified(verified) => Self::verified(verified),
            Outcome::Refused(refused) => Self::refused(refused),
        }
    }

    fn verified(verified: &'a Verified<Bundle>) -> Self {
        let bundle = verified.get();
        Self {
            cover: Cover {
                format: REPORT_FORMAT,
                result: "verified",
                origin: bundle.origin.clone(),
                size: bundle.size.0,
                root: Some(bundle.root.to_string()),
                log_key: bundle.log_key.clone(),
                verifier: VERIFIER_VERSION,
                heads: bundle.heads,
                errors: 0,
                notes: bundle.findings.notes(),
                limits: &LIMITS,
            },
            controls: controls(bundle),
            findings: bundle.findings.list().iter().map(FindingLine::of).collect(),
            evidence: Some(&bundle.evidence),
        }
    }

    fn refused(refused: &'a Refused) -> Self {
        Self {
            cover: Cover {
                format: REPORT_FORMAT,
                result: "refused",
                origin: refused.origin.clone(),
                size: refused.size.0,
                root: None,
                log_key: refused.log_key.clone(),
                verifier: VERIFIER_VERSION,
                heads: 0,
                errors: refused.findings.errors(),
                notes: refused.findings.notes(),
                limits: &LIMITS,
            },
            controls: Vec::new(),
            findings: refused.findings.list().iter().map(FindingLine::of).collect(),
            evidence: None,
        }
    }

    /// JSON, indented.
    pub fn json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self).expect("strings, numbers and lists are JSON");
        json.push('\n');
        json
    }

    /// One HTML page that needs nothing else: no script, no font, no picture from anywhere.
    pub fn html(&self) -> String {
        html::page(self).into_string()
    }
}

/// The controls of this version. A bundle with errors has none, so what is tested here on every entry has no exception
/// left: its row states how many were tested.
fn controls(bundle: &Bundle) -> Vec<Control> {
    let evidence = &bundle.evidence;
    let kinds = |kinds: &[&str]| -> u64 { kinds.iter().filter_map(|kind| evidence.events.get(kind)).sum() };
    let noted = |code: Code| -> Vec<u64> {
        let of_code = bundle.findings.list().iter().filter(|finding| finding.code == code);
        of_code.filter_map(|finding| FindingLine::of(finding).index).collect()
    };
    let mut open = noted(Code::SessionOpen);
    open.extend(noted(Code::ResponseOpen));
    open.sort_unstable();
    let mut reviews = noted(Code::ReviewOwn);
    for code in [
        Code::ReviewLater,
        Code::ReviewLog,
        Code::ReviewPopulation,
        Code::ReviewUnchecked,
    ] {
        reviews.extend(noted(code));
    }
    reviews.sort_unstable();
    reviews.dedup();
    // One to a period, so that several periods of one policy are several.
    let mut missed = noted(Code::ReviewOverdue);
    missed.extend(noted(Code::ReviewLate));
    let mut emergencies = noted(Code::EmergencyUnreviewed);
    for code in [Code::EmergencyReviewLate, Code::EmergencyReviewOwn] {
        emergencies.extend(noted(code));
    }
    let count = |lines: usize| u64::try_from(lines).unwrap_or(u64::MAX);
    vec![
        control(
            "164.312(a)(1)",
            "decisions",
            kinds(&["command", "approval-requested"]),
            "decided again from the recorded facts with the policy snapshot that the decision names",
            Vec::new(),
        ),
        control(
            "164.312(a)(2)(i), 164.312(d)",
            "sessions",
            kinds(&["session-opened"]),
            "a subject, its issuer and the digest of its credential are recorded",
            evidence.unidentified.iter().map(|index| index.0).collect(),
        ),
        control(
            "164.308(a)(5)(ii)(C)",
            "refused log-ins",
            kinds(&["login-refused"]),
            "each states its address, what was shown, why it was refused, and how many there were from when; whether they were inappropriate is for a person to say",
            Vec::new(),
        ),
        control(
            "164.312(a)(2)(ii)",
            "uses of emergency access",
            count(evidence.emergencies.len()),
            "signed with a reason by one person whom the policy lists for it, with a key in force and not the requester, for this command alone and for as long as the policy says; reviewed in time, over everything of it, by somebody else of those who have to; listed are those that nobody reviewed, and reviews that were late or by a person who had a part in it. Whether it was one is for a person to say",
            emergencies,
        ),
        control(
            "164.312(b)",
            "sessions",
            kinds(&["session-opened"]),
            "event numbers contiguous, open and close paired, each command with its response",
            open,
        ),
        control(
            "164.308(a)(1)(ii)(D)",
            "reviews",
            kinds(&["review-signed"]),
            "signed by a person's own key over the root of exactly the events of its period and scope, which are counted again; listed are those that count for nothing because they are of other events or were not counted, those of the reviewer's own acts, and those behind which more of the period came",
            reviews,
        ),
        control(
            "164.308(a)(1)(ii)(D)",
            "periods to be reviewed",
            count(evidence.review_periods.len()),
            "a policy in force asked for its review, which somebody of the groups that it names signed before its deadline, over all events of the period, and not people alone who have a part in them; listed are the policies whose periods were not signed and the reviews that were late",
            missed,
        ),
        control(
            "164.308(a)(1)(ii)(D), 164.312(b)",
            "readings of the evidence",
            kinds(&["evidence-read"]),
            "each states who read what, until when and how often, by the reader's own signature or the digest of a token; whether it was for the work at hand is for a person to say",
            Vec::new(),
        ),
        control(
            "164.312(c)(2)",
            "entries",
            bundle.size.0,
            "in the tree of the signed root, and under the seal of a key in force",
            Vec::new(),
        ),
        control(
            "164.308(a)(4)",
            "commands that passed by approval",
            evidence.approved,
            "signed by enough distinct people of the right group, in force then, not the requester, before the execution, for this command alone; or as a use of emergency access, which has a row of its own",
            Vec::new(),
        ),
    ]
}

fn control(
    cite: &'static str,
    population: &'static str,
    count: u64,
    test: &'static str,
    exceptions: Vec<u64>,
) -> Control {
    let result = match (count, exceptions.len()) {
        (0, _) => format!("no instances: the log holds no {population}"),
        (_, 0) => "no exceptions".to_owned(),
        (_, 1) => "1 exception".to_owned(),
        (_, many) => format!("{many} exceptions"),
    };
    Control {
        cite,
        population,
        count,
        test,
        exceptions,
        result,
    }
}
