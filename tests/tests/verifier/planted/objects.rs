//! Objects that left: read as another document, or not masked, 502.b.

use exhibit_schemas::event::access::{Attribute, Frame};
use exhibit_schemas::event::{Body, Kind};
use exhibit_tests::bundle_builder::Plan;
use exhibit_tests::bundle_builder::lake::{LAKE_SESSION, TABLE, lake};

use super::plans::{Place, chunk_mut, closed_mut, command_mut, end_mut, event};
use super::{Case, planted};

const ROW: &str = "502.b";

/// What the session of the lake reads: a table, claims, and behind a part and a head what is open.
const TABLE_READ: usize = 0;
const CLAIMS_READ: usize = 1;
const OPEN_READ: usize = 4;

pub(super) const CASES: &[Case] = &[
    ("objects that are masked", || planted(lake(6), |_| Vec::new())),
    ("an object that no document names", || {
        planted(lake(6), |plan| {
            let (command, ..) = read(plan, OPEN_READ);
            named(plan, command, "lake/other/a.txt");
            vec![(ROW, "object-refused", event(command))]
        })
    }),
    ("an object that is read as another document", || {
        planted(lake(6), |plan| {
            let (command, ..) = read(plan, OPEN_READ);
            documented(plan, command, "tables");
            vec![(ROW, "object-document", event(command))]
        })
    }),
    ("an object that is not masked", || {
        planted(lake(6), |plan| {
            let (_, _, end) = read(plan, TABLE_READ);
            released(plan, TABLE_READ, TABLE);
            vec![(ROW, "object-value", event(end))]
        })
    }),
    ("an object that is no table", || {
        planted(lake(6), |plan| {
            let (_, _, end) = read(plan, TABLE_READ);
            released(plan, TABLE_READ, "%PDF-1.7\n987-65-4321");
            vec![(ROW, "object-form", event(end))]
        })
    }),
    ("a count of masked values", || {
        planted(lake(6), |plan| {
            let (_, _, end) = read(plan, TABLE_READ);
            end_mut(plan, end).masked.insert("numbers".into(), 1);
            vec![(ROW, "object-count", event(end))]
        })
    }),
    ("a mask of another document", || {
        planted(lake(6), |plan| {
            let (_, _, end) = read(plan, TABLE_READ);
            end_mut(plan, end).masked.insert("holders".into(), 1);
            vec![(ROW, "object-mask", event(end))]
        })
    }),
    ("a resource whose type is masked", || {
        planted(lake(6), |plan| {
            let (command, _, end) = read(plan, CLAIMS_READ);
            named(plan, command, "lake/fhir/a.json");
            documented(plan, command, "resources");
            released(plan, CLAIMS_READ, "{\"resourceType\":\"[redacted]\"}");
            end_mut(plan, end).masked.clear();
            vec![(ROW, "object-unread", event(end))]
        })
    }),
];

/// A command of the lake's session, the last chunk of its answer, and its end.
fn read(plan: &Plan, number: usize) -> (Place, Place, Place) {
    let of = |kind: Kind| {
        plan.find(|event| event.session.is_some_and(|place| place.0 == LAKE_SESSION) && event.kind() == kind)
    };
    let (command, end) = (of(Kind::Command)[number], of(Kind::ResponseEnd)[number]);
    let chunks = of(Kind::ResponseChunk);
    let chunk = chunks.into_iter().rfind(|chunk| *chunk < end).unwrap();
    (command, chunk, end)
}

fn named(plan: &mut Plan, command: Place, object: &str) {
    command_mut(plan, command).facts.accesses[0].1 = Some(object.to_owned());
}

fn documented(plan: &mut Plan, command: Place, document: &str) {
    let attributes = &mut command_mut(plan, command).facts.attributes;
    attributes.insert("document".to_owned(), Attribute::Text(document.to_owned()));
}

/// Releases something else of an object; all counts of bytes are right.
fn released(plan: &mut Plan, number: usize, body: &str) {
    let (_, chunk, end) = read(plan, number);
    let Frame::Verbatim(bytes) = &mut chunk_mut(plan, chunk).frames[0] else {
        panic!("objects have no rows");
    };
    let before = u64::try_from(bytes.0.len()).unwrap();
    bytes.0 = body.as_bytes().to_vec();
    let after = u64::try_from(body.len()).unwrap();
    let end = end_mut(plan, end);
    end.bytes = end.bytes + after - before;
    let closed = plan.find(|event| {
        event.session.is_some_and(|place| place.0 == LAKE_SESSION) && matches!(event.body, Body::SessionClosed(_))
    });
    let close = closed_mut(plan, closed[0]);
    close.bytes = close.bytes + after - before;
}
