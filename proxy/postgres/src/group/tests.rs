//! What a group becomes: its requests, and what names in it stand for.

use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::event::access::{Access, Attribute};

use super::{Answer, Draft, Group, Reading};
use crate::analysis::Foreign;
use crate::catalog::sample;
use crate::message::frontend::{Frontend, Kind};
use crate::names::{NAMES_BYTES_MAX, Names};
use crate::read::Read;

/// A policy of the sample's masks, or without any.
fn policy(masks: bool) -> Snapshot {
    let mut text = "version = 1\n[[targets]]\nname = \"clinic\"\nprotocol = \"postgres\"\n".to_owned();
    let masks = if masks { sample::MASKED.as_slice() } else { &[] };
    let mask = |(place, resource): (usize, &&str)| {
        let resource = format!(
            "targets = [\"clinic\"]
resources = ['{resource}']
technique = \"redact\"
"
        );
        format!(
            "[[masks]]
name = \"m{place}\"
{resource}"
        )
    };
    text.extend(masks.iter().enumerate().map(mask));
    Snapshot::parse(text.as_bytes()).expect("a policy")
}

fn read(messages: Vec<Frontend>, names: &Names, masks: bool) -> Group {
    Reading {
        masking: crate::config::Masking::Proxy,
        catalog: &sample::catalog(),
        policy: &policy(masks),
        target: "clinic",
        names,
        read: &mut Read::default(),
        block: None,
        changed: false,
        foreign: Foreign::None,
    }
    .group(messages.into_iter().map(|message| (message, Vec::new())))
}

/// One simple query in a session without names.
pub(crate) fn read_alone(sql: &str, masks: bool) -> Draft {
    let query = Frontend::Query { sql: sql.to_owned() };
    read(vec![query], &Names::default(), masks).drafts.remove(0)
}

fn accesses(draft: &Draft) -> Vec<String> {
    let facts = &draft.request.facts;
    let word =
        |Access(action, resource): &Access| format!("{} {}", action.as_str(), resource.as_deref().unwrap_or("-"));
    facts.accesses.iter().map(word).collect()
}

fn class(draft: &Draft) -> &str {
    match draft.request.facts.attributes.get("class") {
        Some(Attribute::Text(class)) => class,
        _ => "",
    }
}

#[test]
fn names_are_decided_as_what_they_stand_for() {
    let check = |sql: &str, wanted: &[&str], wanted_class: &str| {
        let draft = read_alone(sql, false);
        assert_eq!(accesses(&draft), wanted, "{sql}");
        assert_eq!(class(&draft), wanted_class, "{sql}");
    };
    check(
        "PREPARE q AS DELETE FROM facilities",
        &["delete public.facilities"],
        "mixed",
    );
    check(
        "PREPARE q AS DELETE FROM facilities; EXECUTE q",
        &["delete public.facilities"],
        "mixed",
    );
    check("EXECUTE q", &["execute ?.execute"], "prepare");
    check("FETCH c", &["execute ?.cursor"], "cursor");
    check(
        "DECLARE c CURSOR FOR TABLE facilities; FETCH c",
        &["read public.facilities"],
        "mixed",
    );
    check("DEALLOCATE q", &["session -"], "prepare");
    check("CLOSE c", &["session -"], "cursor");
    check(
        "PREPARE q AS TABLE facilities; EXPLAIN EXECUTE q",
        &["read public.facilities"],
        "mixed",
    );
    check(
        "PREPARE q AS TABLE facilities; CREATE TABLE x AS EXECUTE q",
        &["read public.facilities", "define public.x"],
        "mixed",
    );
}

#[test]
fn what_changes_rows_hides_behind_no_name() {
    let check = |sql: &str, wanted: &str| {
        let draft = read_alone(sql, false);
        let found = draft.request.facts.attributes.get("class");
        assert_eq!(found, Some(&Attribute::Text(wanted.to_owned())), "{sql}");
    };
    check("PREPARE q AS DELETE FROM facilities", "mixed");
    check(
        "PREPARE q AS WITH x AS (DELETE FROM facilities RETURNING *) TABLE x; EXECUTE q",
        "mixed",
    );
    check("PREPARE q AS TABLE facilities", "prepare");
    check("DECLARE c CURSOR FOR TABLE facilities", "cursor");
}

#[test]
fn a_name_changes_who_may_do_what_as_what_it_stands_for_does() {
    let check = |sql: &str, wanted: bool| {
        let draft = read_alone(sql, false);
        let found = draft.request.facts.attributes.get("grants");
        assert_eq!(found, Some(&Attribute::Bool(wanted)), "{sql}");
    };
    check("PREPARE q AS TABLE facilities; EXECUTE q", false);
    check("DECLARE c CURSOR FOR TABLE facilities; FETCH c", false);
    check("PREPARE q AS TABLE facilities; EXPLAIN ANALYZE EXECUTE q", false);
    check("PREPARE q AS TABLE facilities; CREATE TABLE x AS EXECUTE q", false);
    check("EXECUTE q", true);
    check("FETCH c", true);
    check("EXPLAIN ANALYZE EXECUTE q", true);
    check("PREPARE q AS SELECT some_function(1); EXECUTE q", true);
    check("PREPARE q (int) AS TABLE facilities; EXECUTE q(some_function(1))", true);
    check("PREPARE q AS TABLE facilities; EXECUTE q; SET ROLE x", true);
}

#[test]
fn a_group_ends_where_it_copies_in() {
    let parse = |sql: &str| Frontend::Parse {
        name: String::new(),
        sql: sql.to_owned(),
        types: Vec::new(),
    };
    let bind = Frontend::Bind {
        portal: String::new(),
        statement: String::new(),
        parameters: 0,
    };
    let execute = Frontend::Execute { portal: String::new() };
    let copy = parse("COPY facilities FROM STDIN");
    let messages = vec![copy, bind, execute, Frontend::Sync];
    let group = read(messages, &Names::default(), true);
    assert_eq!(group.items.back().map(|item| item.answer), Some(Answer::Nothing));
    assert_eq!(group.rest.len(), 1);
    assert!(!group.synced);
}

#[test]
fn columns_that_are_copied_out_are_asked_for_where_masks_are() {
    let answers = |sql: &str, masks| {
        let query = Frontend::Query { sql: sql.to_owned() };
        let group = read(vec![query], &Names::default(), masks);
        group.items.iter().map(|item| item.answer).collect::<Vec<_>>()
    };
    assert_eq!(answers("COPY patients TO STDOUT", false), [Answer::Query]);
    assert_eq!(
        answers("COPY patients TO STDOUT", true),
        [Answer::OwnParse, Answer::OwnProbe, Answer::Query, Answer::OwnSync]
    );
}

#[test]
fn a_portal_is_described_once_where_the_agent_asks_right_before() {
    use Answer::{Bind, Describe, DescribeNext, Execute, OwnDescribe};

    use crate::message::encode;
    use crate::message::frontend::Kind;

    let parse = Frontend::Parse {
        name: String::new(),
        sql: "SELECT name FROM patients".to_owned(),
        types: Vec::new(),
    };
    let bind = Frontend::Bind {
        portal: String::new(),
        statement: String::new(),
        parameters: 0,
    };
    let describe = |kind: Kind| {
        let message = Frontend::Describe {
            kind,
            name: String::new(),
        };
        (message, encode::message(b'D', &[kind.byte(), 0]))
    };
    let plain = |message: &Frontend| (message.clone(), Vec::new());
    let execute = Frontend::Execute { portal: String::new() };
    let answers = |between: Vec<(Frontend, Vec<u8>)>| {
        let mut messages = vec![plain(&parse), plain(&bind)];
        messages.extend(between);
        messages.push(plain(&execute));
        let group = Reading {
            masking: crate::config::Masking::Proxy,
            catalog: &sample::catalog(),
            policy: &policy(false),
            target: "clinic",
            names: &Names::default(),
            read: &mut Read::default(),
            block: None,
            changed: false,
            foreign: Foreign::None,
        }
        .group(messages);
        let answers = group.items.iter().skip(2).map(|item| item.answer);
        answers.collect::<Vec<_>>()
    };
    assert_eq!(answers(vec![]), [OwnDescribe, Execute]);
    assert_eq!(answers(vec![describe(Kind::Portal)]), [DescribeNext, Execute]);
    // That of the statement has no formats, and after another `Bind` the portal is another one.
    assert_eq!(
        answers(vec![describe(Kind::Statement)]),
        [Describe, OwnDescribe, Execute]
    );
    let again = vec![describe(Kind::Portal), plain(&bind)];
    assert_eq!(answers(again), [Describe, Bind, OwnDescribe, Execute]);
}

/// As many bytes of types as a message can give a statement.
const TYPES: usize = 65_535;

fn parse(name: &str, types: usize) -> Frontend {
    Frontend::Parse {
        name: name.to_owned(),
        sql: "SELECT 1".to_owned(),
        types: vec![23; types],
    }
}

fn is_unproven(draft: &Draft) -> bool {
    draft.request.facts.attributes.contains_key("unproven")
}

/// Reads a message as a group of its own, confirmed when it is not refused; gives the code when it is.
fn confirmed(names: &mut Names, message: Frontend) -> Option<&'static str> {
    let group = read(vec![message], names, false);
    let refused = group.drafts.iter().find(|draft| is_unproven(draft));
    let code = refused.map(|draft| draft.code);
    if code.is_none() {
        for change in group.items.into_iter().flat_map(|item| item.changes).flatten() {
            names.apply(change);
        }
    }
    code
}

#[test]
fn names_keep_so_many_bytes_and_what_has_none_goes_on() {
    let most = NAMES_BYTES_MAX / (4 * TYPES);
    let refused = Some("54000");
    let mut names = Names::default();
    let mut full = 0;
    while confirmed(&mut names, parse(&format!("s{full}"), TYPES)).is_none() {
        full += 1;
    }
    assert!(full <= most && full + 2 > most, "{full} of {most}");
    let sql = |sql: &str| Frontend::Query { sql: sql.to_owned() };
    let close = |kind, name: &str| Frontend::Close {
        kind,
        name: name.to_owned(),
    };
    let bind = |portal: &str, statement: &str| Frontend::Bind {
        portal: portal.to_owned(),
        statement: statement.to_owned(),
        parameters: 0,
    };
    let long = format!("PREPARE more AS SELECT '{}'", "x".repeat(4 * TYPES));
    let check = [
        (parse("more", TYPES), refused),
        (sql(&long), refused),
        (bind("more", "s1"), refused),
        (parse("", TYPES), None),
        (parse("", TYPES), None),
        (bind("", ""), None),
        (parse("small", 10), None),
        (bind("small", "small"), None),
        (sql("PREPARE other AS SELECT 1"), None),
        (close(Kind::Statement, "s0"), None),
        (parse("s0", TYPES), None),
        (parse("more", TYPES), refused),
        (sql("DEALLOCATE s1"), None),
        (bind("kept", "s2"), None),
        // The portal keeps its statement.
        (close(Kind::Statement, "s2"), None),
        (parse("s2", TYPES), None),
        (parse("more", TYPES), refused),
        (close(Kind::Portal, "kept"), None),
        (sql(&long), None),
        (parse("s1", TYPES), refused),
        (sql("DEALLOCATE ALL"), None),
        (parse("more", TYPES), None),
    ];
    for (place, (message, wanted)) in check.into_iter().enumerate() {
        assert_eq!(confirmed(&mut names, message), wanted, "{place}");
    }
    // What comes before it in its own group counts, too.
    let together = (0..=full).map(|number| parse(&format!("t{number}"), TYPES));
    let group = read(together.collect(), &Names::default(), false);
    let refused: Vec<bool> = group.drafts.iter().map(is_unproven).collect();
    assert_eq!(refused.iter().filter(|refused| **refused).count(), 1);
    assert_eq!(refused.last(), Some(&true));
}
