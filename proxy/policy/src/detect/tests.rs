//! Each rule by cases, and properties of all of them together.

use std::sync::LazyLock;

use base64::Engine as _;
use proptest::prelude::*;

use super::{Asked, Category, Confidence, Detectors, Hints, Names, WINDOW_BYTES, Wanted};

static DETECTORS: LazyLock<Detectors> = LazyLock::new(Detectors::new);

/// The text as it is masked at a floor.
fn masked(text: &str, floor: Confidence) -> String {
    DETECTORS
        .mask(text, &Hints::none(), floor)
        .unwrap_or_else(|| text.to_owned())
}

/// Checks what becomes of a text at the floor `Likely`.
fn check(text: &str, wanted: &str) {
    assert_eq!(masked(text, Confidence::Likely), wanted, "{text}");
}

#[test]
fn social_security_numbers_are_found_in_their_forms() {
    check("SSN 123-45-6789.", "SSN [ssn].");
    check("ssn: 123456789", "ssn: [ssn]");
    check("123 45 6789", "[ssn]");
    check(
        "her social security number is 123.45.6789",
        "her social security number is [ssn]",
    );
    // The rule fails, and the form is enough.
    check("999-17-5017", "[ssn]");
    check("last four of SSN: 6789", "last four of SSN: [ssn]");
    // Nothing that is put beside it hides it.
    check("x123-45-6789y", "x[ssn]y");
    check("😀123-45-6789é", "😀[ssn]é");
    check("_123-45-6789_", "_[ssn]_");
    check("noted 12-123-45-6789", "noted 12-[ssn]");
}

#[test]
fn telephones_and_faxes_are_found_in_their_forms() {
    check("call 212-555-0123", "call [phone]");
    check("(212) 555-0123 ext. 77 today", "[phone] today");
    check("2125550123", "[phone]");
    check("+44 20 7946 0958", "[phone]");
    check("+4915112345678", "[phone]");
    check("1-800-633-4227", "[phone]");
    check("Fax: 212.555.0123", "Fax: [fax]");
    check("Phone: 555-1234", "Phone: [phone]");
    check("cell 467 3395", "cell [phone]");
    check("01.84.17.61.18", "[phone]");
}

#[test]
fn addresses_of_networks_are_found_in_their_forms() {
    check("mail to jane.roe+x@mail.example.org.", "mail to [email].");
    check("<jane@example.org>, ok", "<[email]>, ok");
    check("see https://example.org/p?id=1, then", "see [url], then");
    check("at www.clinic.test and clinic.com/about", "at [url] and [url]");
    check("from 192.0.2.44 to 10.0.0.1:8080", "from [ip] to [ip]:8080");
    check("fe80::1ff:fe23:4567:890a", "[ip]");
    check("2001:db8:0:0:8:800:200c:417a", "[ip]");
    check("mac 00:1A:2b:3C:4d:5E", "mac [device]");
    // Times, versions and object identifiers are none.
    check("at 12:30:45", "at 12:30:45");
    check("version 1.2.3.4", "version 1.2.3.4");
    check("oid 1.2.840.10008.5", "oid 1.2.840.10008.5");
}

#[test]
fn dates_are_found_in_all_usual_forms() {
    for date in [
        "2021-03-04",
        "2021-03-04T10:11:12Z",
        "2021-03-04 10:11:12.123+02:00",
        "2021/3/4",
        "3/4/2021",
        "03/04/21",
        "4.3.2021",
        "03-04-2021",
        "March 4, 2021",
        "Mar 4th, 2021",
        "4 March 2021",
        "4th of March 2021",
        "4-Mar-21",
        "04MAR2021",
        "March 2021",
        "03/2021",
        "2021-03",
        "20210304T101112",
        "20210304101112",
        "March 4",
        "12/1/1981",
    ] {
        check(&format!("seen {date}"), "seen [date]");
        check(date, "[date]");
    }
    check("DOB 19800304", "DOB [date]");
    check("on 3/14 she", "on [date] she");
    // Fractions, scores, years and doses are none.
    check("strength 5/5, pain 3/10", "strength 5/5, pain 3/10");
    check("BP 120/80", "BP 120/80");
    check("in 2021 and 1999", "in 2021 and 1999");
    check("you may 5 mg", "you may 5 mg");
}

#[test]
fn ages_over_89_are_found_and_others_only_possible() {
    check("a 93-year-old man", "a [age]-year-old man");
    check("she is 90 years old", "she is [age] years old");
    check("aged 101", "aged [age]");
    check("Age: 95", "Age: [age]");
    check("94 y/o F", "[age] y/o F");
    check("ninety-three year old", "[age] year old");
    check("a 45-year-old man", "a 45-year-old man");
    assert_eq!(
        masked("a 45-year-old man", Confidence::Possible),
        "a [age]-year-old man"
    );
    check("93 mg and 95 %", "93 mg and 95 %");
}

#[test]
fn numbers_with_a_label_are_found_whatever_their_form() {
    check("MRN 00123456", "MRN [mrn]");
    check("MRN#A-123-456", "MRN#[mrn]");
    check("Medical record number: 7734201", "Medical record number: [mrn]");
    check("account number 88123 is", "account number [account] is");
    check("Acct: 12-3456", "Acct: [account]");
    check("Member ID: XYZ123456789", "Member ID: [health-plan]");
    check("MBI 1EG4-TE5-MK73", "MBI [health-plan]");
    check("1EG4TE5MK73", "[health-plan]");
    check("driver's license no. D1234567", "driver's license no. [licence]");
    check("NPI: 1234567893", "NPI: [npi]");
    check("DEA AB1234563", "DEA [dea]");
    check("AB1234563", "[dea]");
    check("VIN 1M8GDM9AXKP042788", "VIN [vehicle]");
    check("1M8GDM9AXKP042788", "[vehicle]");
    check("License plate: ABC-1234", "License plate: [vehicle]");
    check("serial number: SN-12345-X", "serial number: [device]");
    check(
        "(01)13465995954590(11)760704(17)010719(10)8477791433724820(21)488266988",
        "[device]",
    );
    check("ZIP: 3520", "ZIP: [zip]");
    check("Boston, MA 02139-4307", "[place], MA [zip]");
    check("K1A 0B1", "[zip]");
}

#[test]
fn cards_and_accounts_are_found_with_and_without_their_check_digits() {
    check("4111 1111 1111 1111", "[card]");
    check("4111111111111111", "[card]");
    check("378282246310005", "[card]");
    check("card 4111111111111112", "card [card]");
    check("GB82 WEST 1234 5698 7654 32.", "[iban].");
    check("gb82west12345698765432", "[iban]");
    check("IBAN DE89 3704 0044 0532 0130 99", "IBAN [iban]");
}

#[test]
fn codes_of_medicine_are_no_identifiers() {
    for text in [
        "ICD-10 E11.9 and I10",
        "E11.65",
        "CPT 99213",
        "99213",
        "LOINC 8302-2",
        "72514-3",
        "SNOMED 44054006",
        "HCPCS J1100",
        "RxNorm 665078",
        "NDC 0002-1433-80",
        "HbA1c 6.5 %",
        "Loratadine 5 MG Chewable Tablet",
        "Crohn's disease and Wolff-Parkinson-White syndrome",
        "Alzheimer disease, positive Babinski sign",
        "Apgar score 9, Glasgow Coma Scale 15",
        "Hypertension. Metformin 500 mg BID. Follow up in 3 months.",
        "History of Present Illness: The patient denies chest pain.",
        "Acute viral pharyngitis (disorder)",
        "COPD exacerbation, CHF NYHA II",
    ] {
        check(text, text);
    }
}

#[test]
fn names_are_found_by_lists_titles_and_labels() {
    check("Dr. Young saw her", "Dr. [name] saw her");
    check("Mrs. Labrie", "Mrs. [name]");
    check("Patient John Smith was seen", "Patient [name] was seen");
    check("SMITH, JOHN", "[name]");
    check("Name: Will", "Name: [name]");
    check("my name is rubija", "my name is [name]");
    check("seen by Maciej Borkowski today", "seen by [name] today");
    check("Maynard46 Mosciski958", "[name]");
    check("Maika van de Noort", "[name]");
    check("her husband Igor called", "her husband [name] called");
    check("the Christiansen family", "the [name] family");
    check("bertram came", "[name] came");
}

#[test]
fn streets_are_found_with_what_follows_them() {
    check(
        "lives at 784 Stamm Lock Street, Apt 30, Boston, MA 02139",
        "lives at [address]",
    );
    check("12 main st", "[address]");
    check("PO Box 1234", "[address]");
    check("Via Franscini 71", "[address]");
    check("6750 Koskikatu 25 Apt. 864", "[address]");
    check("PSC 6293, Box 8158\nAPO AP 04336", "[address]\n[place] [place] [zip]");
}

#[test]
fn a_label_is_never_vetoed() {
    let label = |label: &str, text: &str| DETECTORS.mask(text, &Hints::none().labelled(label), Confidence::Certain);
    assert_eq!(label("ssn", "000-00-0000").as_deref(), Some("[ssn]"));
    assert_eq!(label("ssn", " n/a "), Some(" [ssn] ".into()));
    assert_eq!(label("last_name", "Will").as_deref(), Some("[name]"));
    assert_eq!(label("card_number", "1").as_deref(), Some("[card]"));
    assert_eq!(label("ssn", "  "), None);
    assert_eq!(label("note", "000-00-0000"), None);
    let category = Hints::none().category(Some(Category::Biometric));
    assert_eq!(
        DETECTORS.mask("whorl", &category, Confidence::Likely).as_deref(),
        Some("[biometric]")
    );
}

#[test]
fn names_of_the_session_are_found_however_they_are_written() {
    let mut names = Names::default();
    names.learn("Xiulan Oyelaran-Rose");
    let hints = Hints::none().names(&names);
    let check = |text: &str, wanted: &str| {
        let found = DETECTORS.mask(text, &hints, Confidence::Strong);
        assert_eq!(found.as_deref().unwrap_or(text), wanted);
    };
    check("told oyelaran to come", "told [name] to come");
    check("XIULAN came", "[name] came");
    // An English word is a name only with its capital.
    check("she rose early", "she rose early");
    check("then Rose came", "then [name] came");
    assert_eq!(names.len(), 3);
    assert_eq!(format!("{names:?}"), "Names(3 words)");
}

#[test]
fn encodings_are_opened() {
    let secret = "SSN 123-45-6789";
    let encoded = base64::engine::general_purpose::STANDARD.encode(secret);
    check(&format!("x {encoded} y"), "x [ssn] y");
    check(&hex::encode(secret), "[ssn]");
    check(&hex::encode(&encoded), "[ssn]");
    check("jane%40example.org", "[email]");
    check("&#49;23-45-6789", "[ssn]");
    check("\\u0031\\u0032\\u0033-45-6789", "[ssn]");
    check("１２３-４５-６７８９", "[ssn]");
    check("12\u{200b}3-45-6\u{200d}789", "[ssn]");
    check("123\u{2011}45\u{2011}6789", "[ssn]");
}

#[test]
fn nothing_hides_at_the_cut_of_two_windows() {
    for shift in 0..40 {
        let place = WINDOW_BYTES - 20 + shift;
        let mut text = "lorem ".repeat(place / 6 + 1);
        text.truncate(place);
        text.replace_range(place - 1.., " ");
        text.push_str("123-45-6789 and more");
        assert!(masked(&text, Confidence::Strong).contains("[ssn]"), "{shift}");
        // Without a blank to cut at, too.
        let mut dense = "-".repeat(place);
        dense.push_str("123-45-6789");
        assert!(masked(&dense, Confidence::Likely).contains("[ssn]"), "{shift}");
    }
}

#[test]
fn json_stays_json_and_keeps_its_other_bytes() {
    let check = |document: &str, wanted: &str| {
        let masked = DETECTORS.mask_json(document, &Hints::none(), Confidence::Likely);
        let masked = masked.as_deref().unwrap_or(document);
        assert_eq!(masked, wanted);
        serde_json::from_str::<serde_json::Value>(masked).unwrap();
    };
    check(
        r#"{"a" :  1, "b":[true,null , 2.50]}"#,
        r#"{"a" :  1, "b":[true,null , 2.50]}"#,
    );
    check(r#"{"ssn": "000", "x":1.50}"#, r#"{"ssn": "[ssn]", "x":1.50}"#);
    check(r#"{"ssn": 123456789}"#, r#"{"ssn": "[ssn]"}"#);
    check(
        r#"{"note":"call \u0032\u0031\u0032-555-0123\n now"}"#,
        r#"{"note":"call [phone]\n now"}"#,
    );
    check(
        r#"{"a":{"b":[{"c":"jane@example.org"}]}}"#,
        r#"{"a":{"b":[{"c":"[email]"}]}}"#,
    );
    check(r#"{"jane@example.org": 1}"#, r#"{"[email]": 1}"#);
    // Half of a surrogate pair is read, and its string is masked whole.
    let half = DETECTORS.mask_json(
        r#"["\ud800 \u0031\u0032\u0033-45-6789", "\ud800"]"#,
        &Hints::none(),
        Confidence::Likely,
    );
    assert_eq!(half.as_deref(), Some(r#"["[ssn]", "\ud800"]"#));
    check("\"123-45-6789\"", "\"[ssn]\"");
    check("[4111111111111111]", "[\"[card]\"]");
    check(r#"{"age": 7, "visits": 7}"#, r#"{"age": "[age]", "visits": 7}"#);
    // What is no JSON is text.
    assert_eq!(
        DETECTORS
            .mask_json("{\"a\": 123-45-6789", &Hints::none(), Confidence::Likely)
            .as_deref(),
        Some("{\"a\": [ssn]")
    );
    // A whole column's label holds for every value in it.
    let hints = Hints::none().labelled("ssn");
    assert_eq!(
        DETECTORS.mask_json("[\"x\"]", &hints, Confidence::Certain).as_deref(),
        Some("[\"[ssn]\"]")
    );
}

#[test]
fn elements_of_fhir_are_masked_by_path() {
    let patient = r#"{"resourceType":"Patient","id":"p1","identifier":[{"system":"http://hospital.test/mrn","value":"MRN-77"}],
 "name":[{"use":"official","family":"Ek","given":["Bo","Will"]}],"telecom":[{"system":"phone","value":"12","use":"home"},
 {"system":"email","value":"bo@example.org"}],"gender":"male","birthDate":"1931","address":[{"line":["x 1"],"city":"Y","postalCode":"1"}],
 "code":{"coding":[{"system":"http://loinc.org","code":"8302-2","display":"Body Height"}]},
 "generalPractitioner":[{"reference":"Practitioner/1","display":"Will"}]}"#;
    let masked = DETECTORS
        .mask_json(patient, &Hints::none(), Confidence::Likely)
        .unwrap();
    let value: serde_json::Value = serde_json::from_str(&masked).unwrap();
    let at = |path: &str| {
        value
            .pointer(path)
            .and_then(|value| value.as_str())
            .unwrap_or("none")
            .to_owned()
    };
    let check = |path: &str, wanted: &str| assert_eq!(at(path), wanted, "{path}");
    check("/resourceType", "Patient");
    check("/gender", "male");
    check("/identifier/0/value", "[unique]");
    check("/name/0/use", "official");
    check("/name/0/family", "[name]");
    check("/name/0/given/1", "[name]");
    check("/telecom/0/system", "phone");
    check("/telecom/0/value", "[phone]");
    check("/telecom/1/value", "[email]");
    check("/birthDate", "[date]");
    check("/address/0/line/0", "[address]");
    check("/address/0/city", "[place]");
    check("/address/0/postalCode", "[zip]");
    check("/code/coding/0/system", "http://loinc.org");
    check("/code/coding/0/code", "8302-2");
    check("/code/coding/0/display", "Body Height");
    check("/generalPractitioner/0/display", "[name]");
}

/// Makes a hostile text of about so many bytes.
type Hostile = Box<dyn Fn(usize) -> String>;

/// What this thread has worked so far. Whatever else the machine does takes nothing of it.
fn worked() -> std::time::Duration {
    let read = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux counts the work of threads");
    let nanoseconds = read
        .split_ascii_whitespace()
        .next()
        .and_then(|count| count.parse().ok());
    std::time::Duration::from_nanos(nanoseconds.expect("the first number is nanoseconds on a CPU"))
}

/// Searches a hostile text four times as long and asks for less than ten times the work; a square would be sixteen times.
#[test]
fn work_is_linear_in_hostile_texts() {
    let nested = |count: usize| "{\"a\":[".repeat(count / 6);
    let texts: [(&str, Hostile); 10] = [
        ("digits", Box::new(|count| "1".repeat(count))),
        ("groups", Box::new(|count| "12-".repeat(count / 3))),
        ("capitals", Box::new(|count| "A".repeat(count))),
        ("names", Box::new(|count| "Xu Yo ".repeat(count / 6))),
        ("at", Box::new(|count| "a@".repeat(count / 2))),
        ("colons", Box::new(|count| "a::".repeat(count / 3))),
        ("dots", Box::new(|count| "1.".repeat(count / 2))),
        ("schemes", Box::new(|count| "a://".repeat(count / 4))),
        ("base64", Box::new(|count| "aB1/".repeat(count / 4))),
        ("nested", Box::new(nested)),
    ];
    for (name, text) in texts {
        let time = |count: usize| {
            let text = text(count);
            (0..2)
                .map(|_| {
                    let begin = worked();
                    let found = DETECTORS.mask_json(&text, &Hints::none(), Confidence::Possible);
                    std::hint::black_box(found);
                    worked().saturating_sub(begin)
                })
                .min()
                .unwrap()
        };
        let (short, long) = (time(40_000), time(160_000));
        // Four times the text in less than ten times the work.
        assert!(
            long < short * 10 + std::time::Duration::from_millis(50),
            "{name}: {short:?} {long:?}"
        );
    }
}

/// Text of the alphabet that detectors look at.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[0-9A-Za-z@.:/ ,()+\\n-]{0,80}",
        "([0-9]{1,5}[-. /]){0,12}",
        "((Dr|Mr|Ann|Xu|name|is|SSN|MRN|St|Apt|12|90|years|old|Mar|May)[ .,:\\n]){0,16}",
        "(%[0-9a-f]{2}|&#[0-9]{1,3};|\\\\u00[0-9a-f]{2}|[a-f0-9]{2}|é|\u{200b}|１){0,40}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn findings_are_sorted_disjoint_and_on_boundaries(text in text()) {
        let mut end = 0;
        for finding in DETECTORS.find(&text, &Hints::none()) {
            prop_assert!(finding.span.start >= end && finding.span.start < finding.span.end);
            prop_assert!(text.get(finding.span.clone()).is_some());
            end = finding.span.end;
        }
    }

    #[test]
    fn a_masked_text_holds_no_structured_finding_more(text in text()) {
        let masked = masked(&text, Confidence::Likely);
        let structured = [Category::Ssn, Category::Email, Category::Card, Category::Iban, Category::Ip, Category::Url];
        for finding in DETECTORS.find(&masked, &Hints::none()) {
            let found = structured.contains(&finding.category) && finding.confidence >= Confidence::Strong;
            prop_assert!(!found, "{:?} in {:?} of {:?}", finding, masked, text);
        }
    }

    #[test]
    fn masked_json_stays_json(
        texts in prop::collection::vec(text(), 1..5),
        key in "(ssn|note|name|value|telecom|x)",
        number: i64,
    ) {
        let document = serde_json::json!({ key.as_str(): texts, "n": number, "deep": [[{ key.as_str(): number }]] }).to_string();
        if let Some(masked) = DETECTORS.mask_json(&document, &Hints::none(), Confidence::Possible) {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&masked).is_ok(), "{masked}");
        }
    }

    #[test]
    fn no_text_makes_json_masking_panic(text in text()) {
        let _ = DETECTORS.mask_json(&text, &Hints::none(), Confidence::Possible);
    }

    #[test]
    fn an_ssn_is_found_between_any_words(before in "[a-z ]{0,30}", after in "[a-z ]{0,30}", number in "[1-8][0-9]{2}-[0-9]{2}-[0-9]{4}") {
        let text = format!("{before} {number} {after}");
        prop_assert!(!masked(&text, Confidence::Likely).contains(&number));
    }
}

/// Pieces of texts: identifiers, words and signs that stand between them.
const PIECES: &[&str] = &[
    "123-45-6789",
    "4111 1111 1111 1111",
    "212-555-0123",
    "jane@example.org",
    "https://a.example/x",
    "10.1.2.3",
    "fe80::1",
    "abcd::ef",
    "00:1f:2b:aa:bb:cc",
    "ab:cd:ef:ab:cd:ef",
    "MRN",
    "MRN: A-33",
    "fax",
    "age ninety-three",
    "93",
    "aged",
    "2021-03-04",
    "Okonkwo",
    "Dr. Young",
    "Maria Kowalczyk",
    "Boston, MA 02139",
    "12 Maple Street",
    "DE89370400440532013000",
    "3132332d34352d36373839",
    "amFuZUBleGFtcGxlLm9yZw==",
    "%31%32%33-45-6789",
    "\u{ff11}23-45-6789",
    "4.539578763621486e+15",
    "stable",
    "the",
    " ",
    " ",
    " ",
    ", ",
    ". ",
    ": ",
    "\n",
    "(",
    ")",
    "@",
    ".",
    ":",
    "x",
    "Q7",
    "serial number",
    "acct #",
];

proptest! {
    #[test]
    fn a_search_for_less_finds_all_of_that(
        pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..12),
        noise in "\\PC{0,6}",
        asked in proptest::sample::subsequence(Category::ALL.to_vec(), 1..6),
        floor in proptest::sample::select(Confidence::ALL.to_vec()),
    ) {
        let text = pieces.concat() + &noise;
        let wanted = asked.iter().fold(Wanted::default(), |wanted, one| wanted.with(*one, floor));
        let whole: Vec<_> = DETECTORS.find(&text, &Hints::none());
        let less = DETECTORS.settled(&text, &Asked { wanted, names: None });
        let covered = |byte: usize| less.iter().any(|one| wanted.takes(one) && one.span.contains(&byte));
        for finding in whole.iter().filter(|one| wanted.takes(one)) {
            prop_assert!(finding.span.clone().all(covered), "{finding:?} of {text:?} is missing in {less:?}");
        }
        // Nothing is found where a search for everything finds nothing: what more there is stood under something surer.
        let mark = |byte: usize| text.as_bytes()[byte].is_ascii() && !text.as_bytes()[byte].is_ascii_alphanumeric();
        let known = |byte: usize| mark(byte) || whole.iter().any(|one| one.span.contains(&byte));
        for finding in less.iter().filter(|one| wanted.takes(one)) {
            prop_assert!(finding.span.clone().all(known), "{finding:?} of {text:?} is new to {whole:?}");
        }
    }
}
