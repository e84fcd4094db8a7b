//! Masks inside a JSON document (RFC 8259) and keeps every byte that holds nothing.
//!
//! One pass over the bytes and no tree: a document of any depth costs its length. A value's label is its own key's, or that
//! of the nearest key around it which has one (`"name": [{"family": ..}]`), but for keys whose values only describe. The
//! elements of FHIR R4 that hold identifiers (`telecom`, `identifier`, `display` of a reference) have labels of their own.

use std::ops::Range;

use super::{Category, Confidence, Detectors, Finding, Hints, Tally, Wanted, replace};

/// Levels whose keys are remembered. A value below has the label of the deepest remembered one.
const LEVELS_MAX: usize = 256;

/// Keys whose values say how, not who: their labels are not inherited.
const DESCRIBING: &[&str] = &[
    "use",
    "system",
    "type",
    "rank",
    "resourcetype",
    "status",
    "country",
    "state",
    "code",
    "unit",
    "extension",
    "url",
    "id",
];

/// Elements of FHIR whose `display` and `reference` name a person or an employer.
const PARTIES: &[&str] = &[
    "subject",
    "patient",
    "performer",
    "author",
    "practitioner",
    "individual",
    "participant",
    "requester",
    "recorder",
    "asserter",
    "sender",
    "recipient",
    "generalpractitioner",
    "managingorganization",
    "provider",
    "beneficiary",
    "subscriber",
    "member",
    "actor",
    "source",
    "enterer",
    "insurer",
    "party",
    "witness",
    "verifier",
];

/// What a key says of the values below it.
#[derive(Clone, Copy, Default)]
struct Label {
    category: Option<Category>,
    /// The category is that of the value's form where the form has one: a `telecom` is a phone, or an e-mail address.
    by_form: bool,
    /// A `display` below names somebody.
    party: bool,
    /// The values of this key only describe.
    describing: bool,
}

impl Label {
    fn of(key: &str, around: Self) -> Self {
        let small = key.to_lowercase();
        let party = PARTIES.contains(&small.as_str());
        if around.party && small == "display" {
            return Self {
                category: Some(Category::Name),
                ..Self::default()
            };
        }
        let own = match small.as_str() {
            "telecom" | "contactpoint" => Some((Category::Phone, true)),
            "identifier" => Some((Category::Unique, true)),
            _ => Category::of_label(key).map(|category| (category, false)),
        };
        match own {
            Some((category, by_form)) => Self {
                category: Some(category),
                by_form,
                party,
                describing: false,
            },
            None if DESCRIBING.contains(&small.as_str()) => Self {
                describing: true,
                party,
                ..Self::default()
            },
            // Under `identifier`, the period and the assigner are searched and not masked whole.
            None if around.by_form && small != "value" => Self { party, ..around },
            None => Self {
                party: party || around.party,
                ..around
            },
        }
    }
}

/// See [`Detectors::mask_json`].
pub(super) fn mask(
    detectors: &Detectors,
    document: &str,
    hints: &Hints<'_>,
    wanted: &Wanted,
    tally: &mut Tally,
) -> Option<String> {
    let mut masker = Masker {
        detectors,
        document,
        hints,
        wanted,
        tally: Tally::default(),
        masked: String::new(),
        copied: 0,
    };
    if masker.walk().is_none() {
        return detectors.mask_counted(document, hints, wanted, tally); // no JSON
    }
    if masker.copied == 0 {
        return None;
    }
    masker.masked.push_str(document.get(masker.copied..)?);
    tally.extend(&masker.tally);
    Some(masker.masked)
}

struct Masker<'a> {
    detectors: &'a Detectors,
    document: &'a str,
    hints: &'a Hints<'a>,
    wanted: &'a Wanted,
    tally: Tally,
    masked: String,
    /// Bytes of the document that stand in `masked`, in their new form; zero while nothing changed.
    copied: usize,
}

impl Masker<'_> {
    /// Goes through the document; `None` where it is not JSON as far as strings and brackets go.
    fn walk(&mut self) -> Option<()> {
        let bytes = self.document.as_bytes();
        let top = Label {
            category: self.hints.label,
            ..Label::default()
        };
        let mut levels = vec![top];
        let mut deeper = 0_usize;
        let mut key: Option<Label> = None;
        let mut place = 0;
        while let Some(byte) = bytes.get(place) {
            let around = levels.last().copied().unwrap_or_default();
            match byte {
                b'{' | b'[' if levels.len() < LEVELS_MAX => levels.push(key.take().unwrap_or(around)),
                b'{' | b'[' => deeper += 1,
                b'}' | b']' if deeper > 0 => deeper -= 1,
                b'}' | b']' => {
                    levels.pop();
                    if levels.is_empty() {
                        return None;
                    }
                }
                b',' => key = None,
                b'"' => {
                    let end = string_end(bytes, place)?;
                    let is_key = bytes.get(end..)?.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':');
                    if is_key {
                        let name = read(self.document.get(place..end)?);
                        key = Some(Label::of(&name, around));
                        self.string(place..end, Label::default(), true);
                    } else {
                        self.string(place..end, key.take().unwrap_or(around), false);
                    }
                    place = end;
                    continue;
                }
                b'0'..=b'9' | b'-' => {
                    let number = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
                    let length = bytes.get(place..)?.iter().take_while(|byte| number(byte)).count();
                    self.number(place..place + length, key.take().unwrap_or(around));
                    place += length;
                    continue;
                }
                b't' | b'f' | b'n' | b'a'..=b'z' | b':' | b' ' | b'\n' | b'\r' | b'\t' => {}
                _ => return None,
            }
            place += 1;
        }
        (levels.len() == 1).then_some(())
    }

    /// Masks a string, quotes and all.
    fn string(&mut self, span: Range<usize>, label: Label, is_key: bool) {
        let raw = self.document.get(span.clone()).unwrap_or("\"\"");
        // A key is a word of a schema: only what cannot be one is masked in it.
        let wanted = if is_key {
            self.wanted.at_least(Confidence::Strong)
        } else {
            *self.wanted
        };
        let masked = if let Ok(text) = serde_json::from_str::<String>(raw) {
            self.value(&text, label, &wanted).map(|text| quoted(&text))
        } else {
            // Half of a surrogate pair. The detectors read escapes themselves, but a finding may cut one in two: the
            // string is masked whole.
            let findings = self.detectors.find(raw, &self.hints.category(label.category));
            let best = findings
                .iter()
                .filter(|one| wanted.takes(one))
                .max_by_key(|one| one.confidence);
            best.map(|finding| {
                self.tally.add(finding.category);
                quoted(finding.category.token())
            })
        };
        if let Some(masked) = masked {
            self.put(span, &masked);
        }
    }

    /// Masks a number; the token in its place is a string.
    fn number(&mut self, span: Range<usize>, label: Label) {
        let text = self.document.get(span.clone()).unwrap_or("");
        // One digit without a label is a count or a score.
        let whole = label.category.is_some() || text.trim_matches('-').len() > 1;
        let found = if whole {
            let wanted = *self.wanted;
            self.value(text, label, &wanted)
        } else {
            None
        };
        if let Some(masked) = found {
            self.put(span, &quoted(&masked));
        }
    }

    fn value(&mut self, text: &str, label: Label, wanted: &Wanted) -> Option<String> {
        let hints = self.hints.category(None);
        let findings = self.detectors.find(text, &hints);
        let best = findings.iter().max_by_key(|finding| finding.confidence);
        let labelled = label.category.filter(|_| !label.describing && !text.trim().is_empty());
        let labelled = labelled.map(|category| match best {
            Some(best) if label.by_form && best.confidence >= Confidence::Likely => best.category,
            _ => category,
        });
        let Some(category) = labelled.filter(|category| wanted.names(*category)) else {
            let taken = findings.iter().filter(|finding| wanted.takes(finding));
            return replace(text, taken, &mut self.tally);
        };
        let whole = Finding {
            span: 0..text.len(),
            category,
            confidence: Confidence::Certain,
        };
        replace(text, [whole].iter(), &mut self.tally)
    }

    fn put(&mut self, span: Range<usize>, masked: &str) {
        self.masked
            .push_str(self.document.get(self.copied..span.start).unwrap_or(""));
        self.masked.push_str(masked);
        self.copied = span.end;
    }
}

/// The byte after a string that begins at a quote.
fn string_end(bytes: &[u8], quote: usize) -> Option<usize> {
    let mut place = quote + 1;
    loop {
        match bytes.get(place)? {
            b'"' => return Some(place + 1),
            b'\\' => place += 2,
            _ => place += 1,
        }
    }
}

/// A JSON string's text; the raw one where it cannot be read.
fn read(raw: &str) -> String {
    serde_json::from_str(raw).unwrap_or_else(|_| raw.trim_matches('"').to_owned())
}

/// A text as a JSON string.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text is always a JSON string")
}
