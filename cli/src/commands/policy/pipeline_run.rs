//! A run of a pipeline as a person gives it, one claim after the other.

use exhibit_schemas::event::access::Run;

/// Where a claim stands in a run.
pub(super) type Claim = fn(&mut Run, String);

/// The claims that roles match, by their names there.
const CLAIMS: [(&str, Claim); 11] = [
    ("provider", |run, value| run.provider = value),
    ("repository", |run, value| run.repository = value),
    ("repository_id", |run, value| run.repository_id = value),
    ("owner_id", |run, value| run.owner_id = value),
    ("reference", |run, value| run.reference = value),
    ("commit", |run, value| run.commit = value),
    ("workflow", |run, value| run.workflow = Some(value)),
    ("actor", |run, value| run.actor = value),
    ("actor_id", |run, value| run.actor_id = value),
    ("trigger", |run, value| run.trigger = value),
    ("environment", |run, value| run.environment = Some(value)),
];

/// Reads `NAME=VALUE`.
pub(super) fn claim(text: &str) -> Result<(Claim, String), String> {
    let (name, value) = text.split_once('=').ok_or("give NAME=VALUE")?;
    Ok((named(name)?, value.to_owned()))
}

/// The claim of this name.
pub(super) fn named(name: &str) -> Result<Claim, String> {
    let known = CLAIMS.iter().find(|(known, _)| *known == name);
    known.map(|(_, claim)| *claim).ok_or_else(|| {
        format!(
            "a run has no `{name}`; it has {}",
            CLAIMS.map(|(known, _)| known).join(", ")
        )
    })
}

/// The run, if anything is said of one.
pub(super) fn of(claims: &[(Claim, String)]) -> Option<Box<Run>> {
    if claims.is_empty() {
        return None;
    }
    let mut run = Run {
        provider: String::new(),
        repository: String::new(),
        repository_id: String::new(),
        owner_id: String::new(),
        reference: String::new(),
        commit: String::new(),
        workflow: None,
        run_id: String::new(),
        job_id: None,
        actor: String::new(),
        actor_id: String::new(),
        trigger: String::new(),
        environment: None,
    };
    for (claim, value) in claims {
        claim(&mut run, value.clone());
    }
    Some(Box::new(run))
}
