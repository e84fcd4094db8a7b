//! What the net lets through, masks, counts and remembers; and which nets a policy may have.

use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::event::access::Frame;
use proptest::prelude::*;

use super::search::NUMBER_BYTES_MIN;
use super::{Caught, Channel, Known, Meaning, NetColumn, PLACES_MAX, SessionNet};
use crate::detect::{Category, Confidence, Detectors, Hints, Tally, Wanted};
use crate::mask::value::{Coding, Integer, Value};
use crate::mask::{CellKind, ColumnMask, MaskError, MaskKey, RowMasker, Technique};
use crate::snapshot::Snapshot;

const TARGET: &str = "version = 1\n[[targets]]\nname = \"clinic\"\nprotocol = \"postgres\"\n[[targets]]\nname = \"other\"\nprotocol = \"postgres\"\n";

const NET: &str = "[[nets]]\nname = \"phi\"\ntargets = [\"clinic\"]\ncategories = [\"ssn\", \"email\", \"phone\", \"name\"]\nexcept = [\"public.log.*\"]\n";

fn policy(nets: &str) -> Result<Snapshot, String> {
    Snapshot::parse(format!("{TARGET}{nets}").as_bytes()).map_err(|error| error.to_string())
}

fn net() -> SessionNet {
    SessionNet::new(&policy(NET).unwrap(), "clinic")
}

fn known(origin: &'static str) -> Known<'static> {
    Known {
        name: "x",
        origin: Some(origin),
        label: origin.rsplit('.').next(),
        meaning: None,
    }
}

/// Cells as a protocol might write them.
#[derive(Debug)]
enum Written {
    Number,
    Lines,
    List,
    Nothing,
}

const NUMBER: CellKind = CellKind::Coded(&Written::Number);
const LINES: CellKind = CellKind::Coded(&Written::Lines);
const LIST: CellKind = CellKind::Coded(&Written::List);
const NOTHING: CellKind = CellKind::Coded(&Written::Nothing);

impl Coding for Written {
    fn read(&self, bytes: &[u8]) -> Option<Value> {
        let text = std::str::from_utf8(bytes).ok()?;
        let element = |text: &str| Some(Value::Text(text.to_owned())).filter(|_| !text.is_empty());
        match self {
            Self::Number => Integer::new(text.parse().ok()?, i64::MAX).map(Value::Integer),
            Self::Lines => Some(Value::Other(text.to_owned())),
            Self::List => Some(Value::List(text.split('|').map(element).collect())),
            Self::Nothing => None,
        }
    }

    fn write(&self, value: &Value) -> Option<Vec<u8>> {
        match (self, value) {
            (Self::List, Value::List(elements)) => {
                let element =
                    |element: &Option<Value>| element.as_ref().map_or(String::new(), |value| value.text().into());
                let elements: Vec<String> = elements.iter().map(element).collect();
                Some(elements.join("|").into_bytes())
            }
            _ => None,
        }
    }
}

/// A cell of one column through a masker.
fn cell(net: &mut SessionNet, column: NetColumn, value: &str) -> Option<String> {
    let mut masker = RowMasker::new(vec![None], MaskKey::new([7; 32])).described(vec![column]);
    match masker.row(vec![Some(value.into())], net).unwrap().into_inner() {
        Frame::Row(cells) => cells[0].as_ref().map(|cell| String::from_utf8(cell.0.clone()).unwrap()),
        Frame::Verbatim(_) => panic!("a row stays a row"),
    }
}

/// A place with what was found there.
type Place = (Channel, Option<String>, Vec<(Category, u64)>);

fn caught(net: &mut SessionNet) -> Vec<Place> {
    let place = |caught: Caught| (caught.channel, caught.column, caught.findings);
    net.take().into_iter().map(place).collect()
}

#[test]
fn each_form_of_cell_stays_valid_for_its_type() {
    let check = |kind: CellKind, value: &str, wanted: Option<&str>| {
        let mut net = net();
        let column = net.column(known("public.notes.body"), kind);
        assert_eq!(cell(&mut net, column, value).as_deref(), wanted, "{kind:?} {value}");
        assert_eq!(net.take().is_empty(), wanted == Some(value));
    };
    let seen = "seen 123-45-6789 today";
    check(CellKind::Text, seen, Some("seen [ssn] today"));
    check(CellKind::Text, "stable", Some("stable"));
    check(CellKind::Json, "{\"a\": \"123-45-6789\"}", Some("{\"a\": \"[ssn]\"}"));
    check(CellKind::Json, "{\"a\": 1}", Some("{\"a\": 1}"));
    check(CellKind::Opaque, "{123-45-6789,x}", None);
    check(CellKind::Opaque, "{x,y}", Some("{x,y}"));
    check(NUMBER, "4711", Some("4711"));
    check(NUMBER, "4111111111111111", Some("4111111111111111"));
    check(NUMBER, "2125550123", None);
    check(LINES, "4.539578763621486e+15", Some("4.539578763621486e+15"));
    check(LINES, "123-45-6789", None);
    check(LINES, "a\nb", Some("a\nb"));
    check(LIST, "a|123-45-6789||7", Some("a|[ssn]||7"));
    check(LIST, "a|b", Some("a|b"));
    // What is found only in the words of two elements is not told apart.
    check(LIST, "phone|5550123", None);
    check(LIST, "", Some(""));
    check(CellKind::Roomless, seen, Some(seen));
    // A category that no net names passes.
    check(CellKind::Text, "10.1.2.3 on 2021-03-04", Some("10.1.2.3 on 2021-03-04"));
}

#[test]
fn a_value_that_is_none_of_its_type_is_not_let_out() {
    let mut net = net();
    let column = net.column(known("public.notes.body"), NOTHING);
    assert_eq!(cell(&mut net, column, "nothing to find"), None);
    assert!(net.take().is_empty(), "nothing was found in it");
}

#[test]
fn what_a_name_or_a_type_says_masks_the_whole_cell() {
    let check = |known: Known<'_>, kind: CellKind, value: &str, wanted: Option<&str>| {
        let mut net = net();
        let column = net.column(known, kind);
        assert_eq!(cell(&mut net, column, value).as_deref(), wanted, "{known:?}");
    };
    check(
        known("public.people.phone"),
        CellKind::Text,
        "ask at the desk",
        Some("[phone]"),
    );
    check(known("public.people.phone"), NUMBER, "42", None);
    check(known("public.people.phone"), NOTHING, "42", None);
    check(known("public.people.phone"), LIST, "desk|none", Some("[phone]|[phone]"));
    check(known("public.people.zip"), CellKind::Text, "02139", Some("02139"));
    let alias = Known {
        name: "ssn",
        label: Some("ssn"),
        ..Known::default()
    };
    check(alias, CellKind::Text, "123456789", Some("[ssn]"));
    let date = Known {
        meaning: Some(Meaning::Date),
        ..known("public.visits.day")
    };
    check(date, CellKind::Opaque, "2021-03-04", Some("2021-03-04"));
    let dated = NET.replace("\"ssn\"", "\"date\"");
    let mut net = SessionNet::new(&policy(&dated).unwrap(), "clinic");
    let column = net.column(date, CellKind::Opaque);
    // Not even a form that detectors do not know passes.
    assert_eq!(cell(&mut net, column, "J2459277"), None);
    assert_eq!(
        caught(&mut net),
        [(
            Channel::Cell,
            Some("public.visits.day".to_owned()),
            vec![(Category::Date, 1)]
        )]
    );
}

#[test]
fn without_a_description_cells_are_searched_and_null() {
    let mut net = net();
    assert_eq!(cell(&mut net, NetColumn::default(), "call 212-555-0123"), None);
    assert_eq!(caught(&mut net), [(Channel::Cell, None, vec![(Category::Phone, 1)])]);
}

#[test]
fn a_net_passes_over_what_it_excepts_and_other_targets() {
    let mut net = net();
    let column = net.column(known("public.log.line"), CellKind::Text);
    assert_eq!(cell(&mut net, column, "123-45-6789").as_deref(), Some("123-45-6789"));
    let mut other = SessionNet::new(&policy(NET).unwrap(), "other");
    assert!(other.is_empty());
    assert_eq!(
        cell(&mut other, NetColumn::default(), "123-45-6789").as_deref(),
        Some("123-45-6789")
    );
    assert_eq!(other.text(Channel::Error, b"123-45-6789"), None);
}

#[test]
fn bytes_that_are_no_utf8_keep_what_is_not_found() {
    let mut net = net();
    let text = b"M\xfcller 123-45-6789 \xe9";
    assert_eq!(net.text(Channel::Notice, text).unwrap(), b"M\xfcller [ssn] \xe9");
    let mut masker = RowMasker::new(vec![None], MaskKey::new([7; 32]));
    let row = masker.row(vec![Some(text.to_vec())], &mut net).unwrap();
    assert_eq!(row.into_inner(), Frame::Row(vec![None]));
}

#[test]
fn a_document_in_another_encoding_is_null_where_something_is_found() {
    let mut net = net();
    let column = net.column(known("public.notes.body"), CellKind::Json);
    let mut masker = RowMasker::new(vec![None], MaskKey::new([7; 32])).described(vec![column]);
    let mut row = |value: &[u8]| masker.row(vec![Some(value.to_vec())], &mut net).unwrap().into_inner();
    assert_eq!(row(b"{\"a\": \"\xfc 123-45-6789\"}"), Frame::Row(vec![None]));
    let clean = b"{\"a\": \"\xfc\"}";
    assert_eq!(row(clean), Frame::Row(vec![Some(Bytes(clean.to_vec()))]));
}

#[test]
fn texts_beside_rows_are_searched_at_their_own_floor_with_the_sessions_names_and_counted() {
    let mut net = net();
    // Likely is enough outside of names and settings.
    assert_eq!(net.text(Channel::Error, b"999-17-5017").unwrap(), b"[ssn]");
    assert_eq!(net.text(Channel::Column, b"999-17-5017"), None);
    assert_eq!(net.text(Channel::Notice, b"duran is well"), None);
    let column = net.column(known("public.people.last_name"), CellKind::Text);
    assert_eq!(cell(&mut net, column.clone(), "Duran").as_deref(), Some("[name]"));
    assert_eq!(cell(&mut net, column, "Okafor").as_deref(), Some("[name]"));
    assert_eq!(net.text(Channel::Notice, b"duran is well").unwrap(), b"[name] is well");
    let people = Some("public.people.last_name".to_owned());
    let wanted = [
        (Channel::Cell, people, vec![(Category::Name, 2)]),
        (Channel::Error, None, vec![(Category::Ssn, 1)]),
        (Channel::Notice, None, vec![(Category::Name, 1)]),
    ];
    assert_eq!(caught(&mut net), wanted);
}

#[test]
fn no_number_that_is_not_searched_holds_anything() {
    // All signs and lengths, and every number of five digits; one in seven of six.
    let detectors = Detectors::shared();
    let all = Wanted::from(Confidence::Possible);
    let numbers = (0..100_000).chain((100_000..1_000_000).step_by(7));
    for number in numbers {
        for text in [
            number.to_string(),
            format!("-{}", number % 100_000),
            format!("{}.{:02}", number / 1000, number % 100),
        ] {
            assert!(text.len() < NUMBER_BYTES_MIN);
            assert_eq!(
                detectors.mask_counted(&text, &Hints::none(), &all, &mut Tally::default()),
                None,
                "{text}"
            );
        }
    }
}

#[test]
fn words_of_a_schema_are_masked_only_where_they_cannot_be_one() {
    let mut net = net();
    assert_eq!(net.text(Channel::Column, b"Admitting Physician"), None);
    assert_eq!(net.text(Channel::Setting, b"America/New_York"), None);
    assert_eq!(net.text(Channel::Column, b"123-45-6789").unwrap(), b"[ssn]");
    assert_eq!(net.text(Channel::Error, b"key 123-45-6789").unwrap(), b"key [ssn]");
}

#[test]
fn names_in_columns_of_names_are_found_in_later_texts() {
    let note = "duran is well";
    let note_of = |net: &mut SessionNet| {
        let column = net.column(known("public.notes.body"), CellKind::Text);
        cell(net, column, note).unwrap()
    };
    assert_eq!(note_of(&mut net()), note);
    // The column may have a mask of its own; an agent's alias teaches nothing.
    let mask = ColumnMask {
        mask: "m".into(),
        technique: Technique::Null,
        kind: CellKind::Text,
    };
    let mut session = net();
    let column = session.column(known("public.people.last_name"), CellKind::Text);
    let mut masker = RowMasker::new(vec![Some(mask)], MaskKey::new([7; 32])).described(vec![column]);
    masker.row(vec![Some(b"Duran".to_vec())], &mut session).unwrap();
    assert_eq!(note_of(&mut session), "[name] is well");
    let mut session = net();
    let alias = Known {
        name: "last_name",
        label: Some("last_name"),
        ..Known::default()
    };
    let column = session.column(alias, CellKind::Text);
    cell(&mut session, column, "Duran");
    assert_eq!(note_of(&mut session), note);
}

#[test]
fn what_is_caught_is_told_by_net_and_place_and_once() {
    let two = format!(
        "{NET}[[nets]]\nname = \"cards\"\ntargets = [\"clinic\"]\ncategories = [\"card\"]\nends_session = true\n"
    );
    let mut net = SessionNet::new(&policy(&two).unwrap(), "clinic");
    let column = net.column(known("public.notes.body"), CellKind::Text);
    let text = "123-45-6789 and 123-45-6780 paid by 4111 1111 1111 1111";
    let shown = cell(&mut net, column, text);
    assert_eq!(shown.as_deref(), Some("[ssn] and [ssn] paid by [card]"));
    let place = |net: &str, category, count, ends| Caught {
        net: net.to_owned(),
        channel: Channel::Cell,
        column: Some("public.notes.body".to_owned()),
        findings: vec![(category, count)],
        ends,
    };
    let wanted = [
        place("phi", Category::Ssn, 2, false),
        place("cards", Category::Card, 1, true),
    ];
    assert_eq!(net.take(), wanted);
    assert_eq!(net.take(), []);
}

#[test]
fn past_the_limit_places_are_counted_together() {
    let mut net = net();
    for place in 0..=PLACES_MAX {
        let name = format!("c{place}");
        let known = Known {
            name: &name,
            ..Known::default()
        };
        let column = net.column(known, CellKind::Text);
        cell(&mut net, column, "123-45-6789");
    }
    let all = caught(&mut net);
    assert_eq!(all.len(), PLACES_MAX + 1);
    assert_eq!(all[0], (Channel::Cell, None, vec![(Category::Ssn, 1)]));
}

#[test]
fn data_comes_as_a_whole_only_where_no_net_holds() {
    let masker = RowMasker::new(vec![None], MaskKey::new([7; 32]));
    assert_eq!(masker.whole(b"x".to_vec(), 1, None, &net()), Err(MaskError::Net));
    assert!(masker.whole(b"x".to_vec(), 1, None, &SessionNet::default()).is_ok());
}

#[test]
fn nets_are_refused_whole_with_the_place() {
    assert!(policy(NET).is_ok());
    let check = |from: &str, to: &str, wanted: &str| {
        let error = policy(&NET.replacen(from, to, 1)).unwrap_err();
        assert!(error.contains(wanted), "{error}");
    };
    check("\"ssn\"", "\"snn\"", "nearest is `ssn`");
    check("\"clinic\"", "\"clinics\"", "nearest is `clinic`");
    check(
        "categories = [\"ssn\", \"email\", \"phone\", \"name\"]",
        "categories = []",
        "at least one",
    );
    check("except =", "exept =", "exept");
    check("[\"public.log.*\"]", "[\"\"]", "a pattern has");
    check("except =", "floor = \"likly\"\nexcept =", "nearest is `likely`");
    let twice = |second: &str| policy(&format!("{NET}{second}")).unwrap_err();
    assert!(twice(NET).contains("defined twice"));
    assert!(twice(&NET.replace("phi", "more")).contains("one of its categories"));
    assert!(
        policy(&format!(
            "{NET}{}",
            NET.replace("phi", "more").replace("\"clinic\"", "\"other\"")
        ))
        .is_ok()
    );
    let mask = "[[masks]]\nname = \"phi\"\ntargets = [\"clinic\"]\nresources = [\"a\"]\ntechnique = \"null\"\n";
    assert!(twice(mask).contains("mask or net `phi` is defined twice"));
}

proptest! {
    #[test]
    fn no_bytes_make_the_net_panic(value: Vec<u8>) {
        let mut net = net();
        for kind in [CellKind::Text, CellKind::Json, NUMBER, LINES, CellKind::Opaque, CellKind::Roomless] {
            let column = net.column(known("public.notes.body"), kind);
            let mut masker = RowMasker::new(vec![None], MaskKey::new([7; 32])).described(vec![column]);
            prop_assert!(masker.row(vec![Some(value.clone())], &mut net).is_ok());
        }
        net.text(Channel::Error, &value);
    }
}
