//! Objects as the real code masks them and the real gate records them: of every format, whole, in pieces, packed, cut off; and the same
//! objects unmasked.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use exhibit_documents::Masker;
use exhibit_gate::Session;
use exhibit_gate::session::{EndStatus, Reach, Request, Ruling};
use exhibit_policy::mask::{MaskKey, Masked};
use exhibit_schemas::event::access::{Access, Action, Attribute, Facts, Frame};
use exhibit_tests::bundle_builder::clinic::POLICY;

use super::{Outcome, findings, open_as, start, verified};

/// Bytes of a piece of a store's answer, and of what is released at once.
const PIECE_BYTES: usize = 1_000;

/// A document of a policy: its name, the lines of its format, its masks by what they name, and an object.
struct Case {
    name: &'static str,
    format: &'static str,
    masks: &'static [(&'static str, &'static str)],
    object: String,
}

/// Every technique that a table can have, so that each is told from values that it did not leave.
const OF_TABLE: &[(&str, &str)] = &[
    ("t.ssn", "\"token\"\ndomain = \"ssn\""),
    ("t.first", "\"redact\""),
    ("t.card", "\"partial\"\nkeep = 4"),
    ("t.zip", "\"zip3\""),
    ("t.age", "\"age\""),
    ("t.born", "\"date_shift\"\ndays = 30"),
    ("t.died", "\"year\""),
    ("t.mrn", "\"ff1\"\nalphabet = \"digits\""),
    ("t.gone", "\"null\""),
    ("t.note", "\"detect\""),
];

const PATHS: &str = "\"paths\"\nrest = \"detect\"\npaths = [{ path = \"/name\", technique = \"redact\" }, { path = \"/a/1\", technique = \
                     \"token\" }, { path = \"/age\", technique = \"age\" }, { path = \"/x\", technique = \"null\" }]";

fn table(separator: char) -> String {
    let mut text = "id,ssn,first,card,zip,age,born,died,mrn,gone,note\r\n".to_owned();
    for number in 0..400 {
        let ssn = format!("987-65-{number:04}");
        let note = if number % 3 == 0 {
            "\"ask \"\"her\"\", ann@clinic.example\""
        } else {
            ""
        };
        writeln!(
            text,
            "{number},{ssn},\"Ann\",4111 1111 1111 {number:04},{:05},{},1970-02-{:02},,{:08},{ssn},{note}",
            60_000 + number,
            number % 120,
            1 + number % 28,
            12_345_678 + number
        )
        .expect("a text takes everything");
    }
    // Lines end otherwise than the header, and a cell in quotes holds a comma in both formats.
    text.replace(',', &separator.to_string())
        .replace("\"ask \"\"her\"\"\t ann", "\"ask \"\"her\"\" ann")
}

fn cases() -> Vec<Case> {
    let resources = "{\"resourceType\":\"Patient\",\"name\":[{\"family\":\"Lovelace\"}],\"text\":{\"div\":\"<div>Ada</div>\"},\"a\":[1,\"b\"],\
                     \"contained\":[{\"resourceType\":\"Patient\",\"name\":\"x\",\"age\":41}]}";
    let bundle = format!(
        "{{\"resourceType\":\"Bundle\",\"link\":[{{\"relation\":\"self\",\"url\":\"https://a.example/Patient/7\"}}],\"entry\":[{}]}}",
        vec![format!("{{\"fullUrl\":\"urn:x\",\"resource\":{resources}}}"); 40].join(",\n")
    );
    let line = "{\"name\":{\"x\":\"\\u00e9\\\\\"},\"a\":[1,41,[]],\"age\":93,\"x\":true,\"b\":-1.5e3,\"c\":\"ann@clinic.example\"}\n";
    let message = "MSH|^~\\&|A|B\rPID|1||123^^^MRN~456||D\\T\\u^Ann||19700203|F\rNTE|1||987-65-4321\r";
    vec![
        Case {
            name: "csv",
            format: "format = \"csv\"",
            masks: OF_TABLE,
            object: table(','),
        },
        Case {
            name: "tsv",
            format: "format = \"tsv\"",
            masks: OF_TABLE,
            object: table('\t'),
        },
        Case {
            name: "csv of its own length",
            format: "format = \"csv\"\nkeep_length = true",
            masks: OF_TABLE,
            object: table(','),
        },
        Case {
            name: "csv without a header",
            format: "format = \"csv\"\nheader = false",
            masks: &[("t.2", "\"token\"")],
            object: "1,987-65-4321\n2,\n".repeat(300),
        },
        Case {
            name: "json",
            format: "format = \"json\"",
            masks: &[("t", PATHS)],
            object: format!("\u{feff}{}", line.trim_end()),
        },
        Case {
            name: "ndjson",
            format: "format = \"ndjson\"",
            masks: &[("t", PATHS)],
            object: line.repeat(80),
        },
        Case {
            name: "ndjson of its own length",
            format: "format = \"ndjson\"\nkeep_length = true",
            masks: &[("t", PATHS)],
            object: line.repeat(80),
        },
        Case {
            name: "fhir",
            format: "format = \"fhir\"",
            masks: &[("t.*", PATHS)],
            object: bundle,
        },
        Case {
            name: "fhir-ndjson",
            format: "format = \"fhir-ndjson\"",
            masks: &[("t.Patient", PATHS)],
            object: format!("{resources}\n").repeat(50),
        },
        Case {
            name: "hl7",
            format: "format = \"hl7\"",
            masks: &[
                ("t.PID-5", "\"redact\""),
                ("t.PID-3.1", "\"token\""),
                ("t.PID-7", "\"null\""),
            ],
            object: message.repeat(60),
        },
        Case {
            name: "text",
            format: "format = \"text\"",
            masks: &[("t", "\"partial\"\nkeep = 2")],
            object: "Ann Lovelace, 987-65-4321\r\n\r\nb\n".repeat(60),
        },
    ]
}

fn policy(case: &Case, more: &str) -> String {
    let masks = case.masks.iter().map(|(resource, technique)| {
        format!(
            "[[masks]]\nname = \"m-{resource}\"\ntargets = [\"lake\"]\nresources = [\"{resource}\"]\ntechnique = {technique}\n"
        )
    });
    format!(
        "{POLICY}[[targets]]\nname = \"lake\"\nprotocol = \"s3\"\n[[documents]]\nname = \"t\"\ntargets = [\"lake\"]\nresources = [\"*\"]\n{}\n{}\
         [[rules]]\nname = \"objects\"\nroles = [\"agent\"]\ntargets = [\"lake\"]\nactions = [\"read\"]\neffect = \"allow\"\n{more}",
        case.format,
        masks.collect::<String>()
    )
}

/// What is released of an object.
enum Released {
    /// The masked object.
    Masked,
    /// So many of its first bytes: its answer is cut off in the middle of a value, of a line, or of what is packed.
    Cut(usize),
    /// The masked object, in an answer that does not end.
    Open,
    /// The object as the store has it, with the counts of the masked one.
    AsItIs,
}

/// Bytes after which an answer is cut off: within what says what a document is, behind it, and in a later piece.
const CUTS: [usize; 3] = [7, 300, 3_333];

/// Reads an object and releases it, in pieces.
async fn read(session: &mut Session, object: &[u8], what: Released) {
    let statement = "GetObject lake/a";
    let attributes = [("operation", "GetObject"), ("document", "t")];
    let attributes = attributes.map(|(name, word)| (name.to_owned(), Attribute::Text(word.to_owned())));
    let request = Request {
        statement: statement.into(),
        exact: statement.as_bytes().to_vec(),
        facts: Facts {
            accesses: vec![Access(Action::Read, Some("lake/a".into()))],
            attributes: attributes.into(),
            columns: None,
        },
        parameters: Vec::new(),
        reach: Reach::Nothing,
        statement_fingerprint: None,
        described: None,
        says_all: true,
        by_name: false,
        names_are_data: true,
    };
    let Ruling::Permit(permit) = session.decide(request) else {
        panic!("reads of the lake are allowed");
    };
    let recorded = session.record(vec![permit]).await.unwrap();
    let mut reply = recorded[0].reply();
    let policy = session.gate().policy();
    let document = policy.reading("lake", "lake/a").document().unwrap();
    let mut masker = Masker::new(&policy, "lake", document, MaskKey::new([7; 32]));
    let mut frames = Vec::new();
    for piece in object.chunks(PIECE_BYTES) {
        frames.extend(masker.push(piece, session.net()).unwrap());
    }
    frames.extend(masker.finish(session.net()).unwrap());
    Masked::spread(&mut frames);
    let counts = masker.masked();
    assert!(!counts.is_empty());
    let frames = match &what {
        Released::Masked | Released::Open => frames,
        Released::AsItIs => vec![Masked::framing(object.to_vec())],
        Released::Cut(bytes) => {
            let all = frames.into_iter().flat_map(|frame| match frame.into_inner() {
                Frame::Verbatim(bytes) => bytes.0,
                Frame::Row(_) => panic!("objects have no rows"),
            });
            vec![Masked::framing(all.take(*bytes).collect())]
        }
    };
    let head = vec![Masked::framing(
        b"HTTP/1.1 200\r\ncontent-type: text/csv\r\n\r\n".to_vec(),
    )];
    session.release(&mut reply, None, head).durable().await.unwrap();
    for frame in frames {
        session.release(&mut reply, None, vec![frame]).durable().await.unwrap();
    }
    let (status, counts) = match what {
        Released::Open => return,
        Released::Cut(_) => (EndStatus::Cut, BTreeMap::new()),
        _ => (EndStatus::Complete, counts),
    };
    let end = session.finish(reply, None, Vec::new(), status, Some("200".into()), counts);
    end.durable().await.unwrap();
}

fn packed(object: &str) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(object.as_bytes()).unwrap();
    packer.finish().unwrap()
}

#[tokio::test]
async fn objects_that_are_masked_verify_in_every_format() {
    let net = "[[nets]]\nname = \"lake\"\ntargets = [\"lake\"]\ncategories = [\"ssn\", \"email\"]\nexcept = [\"t\", \"t.*\"]\n";
    for case in cases() {
        for more in ["", net] {
            let (gate, keeper, anchors) = start(&policy(&case, more)).await;
            let mut session = open_as(&gate, |opening| {
                (opening.target, opening.protocol) = ("lake".into(), "s3".into());
            })
            .await;
            for object in [case.object.as_bytes().to_vec(), packed(&case.object)] {
                read(&mut session, &object, Released::Masked).await;
                for bytes in CUTS {
                    read(&mut session, &object, Released::Cut(bytes)).await;
                }
            }
            session.close("agent").await.unwrap();
            let plan = keeper.plan.lock().unwrap().clone();
            let outcome = verified(&plan, &anchors);
            assert_eq!(findings(&outcome), [], "{}", case.name);
            let Outcome::Verified(bundle) = &outcome else {
                panic!("a bundle without findings is verified");
            };
            // The report lists the masks of objects as it does those of columns.
            let line = &bundle.get().evidence.commands[0];
            let (resource, technique) = case.masks[0];
            let listed = line.masks.iter().find(|(_, mask, _)| *mask == format!("m-{resource}"));
            let (document, _, listed) = listed.unwrap();
            assert!(
                document == "t" && technique.starts_with(&format!("\"{listed}\"")),
                "{}",
                case.name
            );
        }
    }
}

/// The codes of what is found where these objects of a case are read, each so.
async fn found(case: &Case, more: &str, reads: impl Iterator<Item = Released>) -> Vec<&'static str> {
    let (gate, keeper, anchors) = start(&policy(case, more)).await;
    let mut session = open_as(&gate, |opening| {
        (opening.target, opening.protocol) = ("lake".into(), "s3".into());
    })
    .await;
    for what in reads {
        read(&mut session, case.object.as_bytes(), what).await;
    }
    session.close("agent").await.unwrap();
    let plan = keeper.plan.lock().unwrap().clone();
    let outcome = verified(&plan, &anchors);
    findings(&outcome).into_iter().map(|(code, _)| code).collect()
}

#[tokio::test]
async fn where_a_net_changed_a_name_nobody_can_tell_which_mask_is_for_its_value() {
    let net = "[[nets]]\nname = \"lake\"\ntargets = [\"lake\"]\ncategories = [\"email\"]\n";
    // The path is for the name that the net leaves, and not for the one that the object has.
    let masks = "\"paths\"\nrest = \"detect\"\npaths = [{ path = \"/[email]\", technique = \"redact\" }, { path = \"/name\", technique = \
                 \"redact\" }]";
    let case = |object: &str| Case {
        name: "names",
        format: "format = \"json\"",
        masks: Box::leak(Box::new([("t", masks)])),
        object: object.to_owned(),
    };
    let one = || std::iter::once(Released::Masked);
    let renamed = case("{\"name\":\"x\",\"ann@clinic.example\":\"y\"}");
    assert_eq!(found(&renamed, net, one()).await, ["object-unread"]);
    let same = case("{\"name\":\"x\",\"[email]\":\"y\"}");
    assert_eq!(found(&same, net, one()).await, [""; 0]);
}

#[tokio::test]
async fn more_objects_under_way_than_are_read_at_once_are_told() {
    let case = &cases()[3];
    for (count, wanted) in [(256, vec![]), (257, vec!["object-unread"])] {
        let open = (0..count).map(|_| Released::Open);
        assert_eq!(found(case, "", open).await, wanted);
    }
}

#[tokio::test]
async fn objects_that_are_not_masked_are_found_in_every_format() {
    for case in cases() {
        let (gate, keeper, anchors) = start(&policy(&case, "")).await;
        let mut session = open_as(&gate, |opening| {
            (opening.target, opening.protocol) = ("lake".into(), "s3".into());
        })
        .await;
        for object in [case.object.as_bytes().to_vec(), packed(&case.object)] {
            read(&mut session, &object, Released::AsItIs).await;
        }
        session.close("agent").await.unwrap();
        let plan = keeper.plan.lock().unwrap().clone();
        let outcome = verified(&plan, &anchors);
        let codes: Vec<_> = findings(&outcome).into_iter().map(|(code, _)| code).collect();
        let values = codes.iter().filter(|code| **code == "object-value").count();
        assert_eq!(values, 2, "{}: {codes:?}", case.name);
    }
}
