//! Accesses as `AuditEvent` of FHIR R4, after the patterns of IHE BALP 1.1.4: one event for each patient of whom a command
//! released records, and one for a command of which no patient is known.
//!
//! ```text
//! type rest, subtype search …, action E …, outcome 0 | 4 | 8
//! agent   client, server, user (requestor)      entity   statement or object, patient, entry of the log, failure
//! source  the gateway, as observer              meta     the profile, of a success alone
//! ```
//!
//! BALP's profiles are of successes; what failed has their form, names none, and holds an `OperationOutcome`. Nothing of a value is in
//! an event: statements have their literals replaced, and patients are keyed tokens, which are still protected health information.
//!
//! Not here: detections, sessions that were opened and closed, and controls, of which BALP has no pattern. `docs/formats/fhir.md`
//! says what stands where.

mod agent;
mod code;
mod entity;
mod outcome;
mod pattern;

use std::collections::BTreeSet;

use exhibit_schemas::merkle::Index;
use serde_json::{Map, Value, json};

use self::code::coding;
use self::outcome::Outcome;
use crate::evidence::{CommandLine, RefusedLine, SessionLine};
use crate::report::about::{About, SCOPED_LABEL, span, urn};
use crate::report::interaction::Interaction;

/// What ids of FHIR documents begin with before they are digested.
const FORMAT: &str = "exhibit-fhir/1";

/// Hands out the events of a command: one for each patient's token, ascending, none twice. Where there are none, or where the line
/// counts more patients than these, one without a patient comes last.
///
/// # Errors
/// What `take` fails with.
pub fn command<E>(
    about: &About<'_>,
    session: &SessionLine,
    command: &CommandLine,
    patients: &[String],
    mut take: impl FnMut(&Value) -> Result<(), E>,
) -> Result<(), E> {
    let tokens: BTreeSet<_> = patients.iter().map(String::as_str).collect();
    let known = u64::try_from(tokens.len()).unwrap_or(u64::MAX);
    let others = tokens.is_empty() || command.patients.is_some_and(|counted| counted > known);
    // The events of one command differ in their patients alone, and a reply may have a hundred thousand.
    let mut last: Option<(&str, Value)> = None;
    for token in tokens {
        let event = match last.take() {
            None => of_command(about, session, command, Some(token)),
            Some((before, event)) => of_another(about, command, event, before, token),
        };
        take(&event)?;
        last = Some((token, event));
    }
    if others {
        take(&of_command(about, session, command, None))?;
    }
    Ok(())
}

/// The event of one patient as that of another.
fn of_another(about: &About<'_>, command: &CommandLine, mut event: Value, before: &str, token: &str) -> Value {
    if let Some(id) = event.get_mut("id") {
        *id = about.id(FORMAT, command.command, token).into();
    }
    let entities = event.get_mut("entity").and_then(Value::as_array_mut);
    for entity in entities.into_iter().flatten() {
        let value = entity.pointer_mut("/what/identifier/value");
        if let Some(value) = value.filter(|value| value.as_str() == Some(before)) {
            *value = token.into();
        }
    }
    event
}

fn of_command(about: &About<'_>, session: &SessionLine, command: &CommandLine, token: Option<&str>) -> Value {
    let (interaction, resource) = Interaction::of(session, command);
    let outcome = Outcome::of(command);
    let mut entities: Vec<_> = entity::subject(interaction, session, command, resource)
        .into_iter()
        .collect();
    entities.extend(token.map(|token| entity::patient(session, token)));
    entities.push(entity::entry(
        &about.entry(command.command),
        details(about, session, command),
    ));
    let profile = interaction.profile(token.is_some()).filter(|_| outcome.is_success());
    let mut event = event(about, command.command, token.unwrap_or_default(), profile, &outcome);
    event.insert("type".to_owned(), coding(code::EVENT, "rest", "RESTful Operation"));
    let subtype = coding(code::INTERACTION, interaction.word(), interaction.word());
    event.insert("subtype".to_owned(), json!([subtype]));
    event.insert("action".to_owned(), interaction.action().into());
    event.insert("recorded".to_owned(), command.time.as_str().into());
    let agents = agent::of_command(interaction, session, &command.policy);
    event.insert("agent".to_owned(), agents.into());
    finished(event, entities, &outcome)
}

/// What the log says of a command beside what FHIR has elements for.
fn details<'a>(about: &About<'_>, session: &SessionLine, command: &CommandLine) -> Vec<(&'a str, String)> {
    let list = |indexes: &[Index]| {
        let indexes: Vec<_> = indexes.iter().map(|index| index.0.to_string()).collect();
        indexes.join(" ")
    };
    vec![
        ("entry", command.command.0.to_string()),
        ("root", about.root.to_owned()),
        ("session", session.session.clone()),
        ("opened", session.opened.0.to_string()),
        ("method", session.method.clone()),
        ("protocol", session.protocol.clone()),
        ("accesses", command.accesses.join("; ")),
        ("effect", command.effect.clone()),
        ("rule", command.rule.clone().unwrap_or_default()),
        ("outcome", command.outcome.clone()),
        ("approvals", list(&command.approvals)),
        ("released", command.released.map(span).unwrap_or_default()),
        (
            "ended",
            command.ended.map(|index| index.0.to_string()).unwrap_or_default(),
        ),
        ("rows", command.rows.to_string()),
        (
            "patients",
            command.patients.map(|count| count.to_string()).unwrap_or_default(),
        ),
    ]
}

/// The event of a log-in that was refused, or of several that are alike: DICOM's user authentication, of which BALP has no pattern.
pub fn refused(about: &About<'_>, line: &RefusedLine) -> Value {
    let outcome = Outcome::login_refused(&line.reason);
    let details = vec![
        ("entry", line.refused.0.to_string()),
        ("root", about.root.to_owned()),
        ("method", line.method.clone()),
        ("reason", line.reason.clone()),
        ("count", line.count.to_string()),
        ("user-digest", line.named.clone()),
    ];
    let mut event = event(about, line.refused, "", None, &outcome);
    event.insert("type".to_owned(), coding(code::DICOM, "110114", "User Authentication"));
    event.insert("subtype".to_owned(), json!([coding(code::DICOM, "110122", "Login")]));
    event.insert("action".to_owned(), "E".into());
    event.insert("period".to_owned(), json!({ "start": line.since, "end": line.time }));
    event.insert("recorded".to_owned(), line.time.as_str().into());
    event.insert("agent".to_owned(), agent::of_refused(line).into());
    finished(
        event,
        vec![entity::entry(&about.entry(line.refused), details)],
        &outcome,
    )
}

/// What events have in common.
fn event(
    about: &About<'_>,
    entry: Index,
    part: &str,
    profile: Option<String>,
    outcome: &Outcome,
) -> Map<String, Value> {
    let mut meta = Map::new();
    meta.insert("source".to_owned(), urn("log", about.origin).into());
    meta.extend(profile.map(|profile| ("profile".to_owned(), json!([profile]))));
    if about.scoped {
        let tag = json!({ "system": "urn:exhibit:bundle", "code": "scoped", "display": SCOPED_LABEL });
        meta.insert("tag".to_owned(), json!([tag]));
    }
    let mut event = Map::new();
    event.insert("resourceType".to_owned(), "AuditEvent".into());
    event.insert("id".to_owned(), about.id(FORMAT, entry, part).into());
    event.insert("meta".to_owned(), meta.into());
    event.extend(outcome.code.map(|code| ("outcome".to_owned(), code.into())));
    event.insert("outcomeDesc".to_owned(), outcome.words.as_str().into());
    let mut source = Map::new();
    source.extend(about.entity.map(|entity| ("site".to_owned(), entity.into())));
    source.insert(
        "observer".to_owned(),
        json!({
            "type": "Device",
            "identifier": { "system": "urn:exhibit:gateway", "value": about.origin },
            "display": format!("Exhibit gateway; read by exhibit-verify {}", about.verifier),
        }),
    );
    source.insert(
        "type".to_owned(),
        json!([coding(code::SOURCE, "4", "Application Server")]),
    );
    event.insert("source".to_owned(), source.into());
    event
}

fn finished(mut event: Map<String, Value>, mut entities: Vec<Value>, outcome: &Outcome) -> Value {
    if let Some(resource) = outcome.resource() {
        entities.push(entity::failure());
        event.insert("contained".to_owned(), json!([resource]));
    }
    event.insert("entity".to_owned(), entities.into());
    event.into()
}
