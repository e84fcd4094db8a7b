//! The parts of OSCAL 1.2 that both documents have and that the results have, in the order of its schema.
//!
//! A list may not be empty in OSCAL, so an empty one is left out. Not here: what OSCAL has besides, controls (`catalog`), and
//! reading.

use serde::Serialize;

use super::dates::Date;
use super::identifier::{Identifier, NAMESPACE};
use super::text::Line;

/// Version of OSCAL that the documents are written for. Later versions of 1.2 take them, too.
const OSCAL_VERSION: &str = "1.2.0";

/// `metadata`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Metadata {
    title: &'static str,
    last_modified: Date,
    version: Line,
    oscal_version: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    roles: Vec<Role>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parties: Vec<Party>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    responsible_parties: Vec<ResponsibleParty>,
    remarks: &'static str,
}

#[derive(Debug, Serialize)]
struct Role {
    id: &'static str,
    title: &'static str,
}

#[derive(Debug, Serialize)]
struct Party {
    uuid: Identifier,
    #[serde(rename = "type")]
    kind: &'static str,
    name: Line,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct ResponsibleParty {
    role_id: &'static str,
    party_uuids: Vec<Identifier>,
}

impl Metadata {
    /// Of a document of this title, of when and of which revision it is, and what must be said of it.
    pub(super) fn of(title: &'static str, last_modified: Date, version: &str, remarks: &'static str) -> Self {
        Self {
            title,
            last_modified,
            version: Line::of(version),
            oscal_version: OSCAL_VERSION,
            roles: Vec::new(),
            parties: Vec::new(),
            responsible_parties: Vec::new(),
            remarks,
        }
    }

    /// The same for somebody, as the caller names them.
    #[must_use]
    pub(super) fn for_entity(mut self, uuid: Identifier, name: &str) -> Self {
        let (role, title) = (
            "prepared-for",
            "Whose evidence it is, as whoever made the report says; nothing proves it",
        );
        self.roles.push(Role { id: role, title });
        self.parties.push(Party {
            uuid,
            kind: "organization",
            name: Line::of(name),
        });
        self.responsible_parties.push(ResponsibleParty {
            role_id: role,
            party_uuids: vec![uuid],
        });
        self
    }
}

/// `prop`: a named value.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Property {
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ns: Option<&'static str>,
    value: Line,
}

impl Property {
    /// One of ours.
    pub(super) fn of(name: &'static str, value: &impl ToString) -> Self {
        Self {
            name,
            ns: Some(NAMESPACE),
            value: Line::of(&value.to_string()),
        }
    }

    /// One that OSCAL defines.
    pub(super) fn of_oscal(name: &'static str, value: &str) -> Self {
        Self {
            name,
            ns: None,
            value: Line::of(value),
        }
    }
}

/// `link`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Link {
    pub(super) href: String,
    pub(super) rel: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resource_fragment: Option<String>,
}

/// `import-ap`.
#[derive(Debug, Serialize)]
pub(super) struct ImportPlan {
    pub(super) href: String,
    pub(super) remarks: &'static str,
}

/// A member of `results`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct TestResult {
    pub(super) uuid: Identifier,
    pub(super) title: &'static str,
    pub(super) description: String,
    pub(super) start: Date,
    pub(super) end: Date,
    pub(super) props: Vec<Property>,
    pub(super) local_definitions: LocalDefinitions,
    pub(super) reviewed_controls: ReviewedControls,
    pub(super) observations: Vec<Observation>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) findings: Vec<Finding>,
    pub(super) remarks: String,
}

/// `local-definitions` of a result: the tool.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct LocalDefinitions {
    pub(super) assessment_assets: Assets,
}

/// `assessment-assets`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Assets {
    pub(super) components: Vec<Component>,
    pub(super) assessment_platforms: Vec<Platform>,
}

/// `component`: a program.
#[derive(Debug, Serialize)]
pub(super) struct Component {
    pub(super) uuid: Identifier,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) title: &'static str,
    pub(super) description: &'static str,
    pub(super) props: Vec<Property>,
    pub(super) status: ComponentStatus,
}

/// `status` of a component.
#[derive(Debug, Serialize)]
pub(super) struct ComponentStatus {
    pub(super) state: &'static str,
}

/// `assessment-platform`: where the tool runs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Platform {
    pub(super) uuid: Identifier,
    pub(super) title: &'static str,
    pub(super) uses_components: Vec<UsedComponent>,
}

/// `uses-component`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct UsedComponent {
    pub(super) component_uuid: Identifier,
}

/// `reviewed-controls`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ReviewedControls {
    pub(super) description: &'static str,
    pub(super) links: Vec<Link>,
    pub(super) control_selections: Vec<ControlSelection>,
}

/// `control-selection`, by id.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ControlSelection {
    pub(super) include_controls: Vec<SelectedControl>,
}

/// `include-control`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct SelectedControl {
    pub(super) control_id: String,
}

/// `origin`: who says it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Origin {
    pub(super) actors: [Actor; 1],
}

/// `actor`: the tool.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Actor {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) actor_uuid: Identifier,
}

/// `observation`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Observation {
    pub(super) uuid: Identifier,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) props: Vec<Property>,
    pub(super) methods: [&'static str; 1],
    pub(super) types: [&'static str; 1],
    pub(super) origins: [Origin; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) relevant_evidence: Vec<RelevantEvidence>,
    pub(super) collected: Date,
}

/// `relevant-evidence`.
#[derive(Debug, Serialize)]
pub(super) struct RelevantEvidence {
    pub(super) href: String,
    pub(super) description: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) props: Vec<Property>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) links: Vec<Link>,
}

/// `finding`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Finding {
    pub(super) uuid: Identifier,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) props: Vec<Property>,
    pub(super) origins: [Origin; 1],
    pub(super) target: Target,
    pub(super) related_observations: Vec<RelatedObservation>,
}

/// `target` of a finding.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Target {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    #[serde(rename = "target-id")]
    pub(super) id: String,
    pub(super) status: Status,
}

/// `status` of a target.
#[derive(Debug, Serialize)]
pub(super) struct Status {
    pub(super) state: &'static str,
    pub(super) reason: &'static str,
    pub(super) remarks: &'static str,
}

/// `related-observation`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct RelatedObservation {
    pub(super) observation_uuid: Identifier,
}

/// `back-matter`.
#[derive(Debug, Serialize)]
pub(super) struct BackMatter {
    pub(super) resources: Vec<Resource>,
}

/// `resource`.
#[derive(Debug, Serialize)]
pub(super) struct Resource {
    pub(super) uuid: Identifier,
    pub(super) title: &'static str,
    pub(super) description: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) props: Vec<Property>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) rlinks: Vec<ResourceLink>,
}

/// `rlink`: where a resource is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ResourceLink {
    pub(super) href: &'static str,
    pub(super) media_type: &'static str,
    pub(super) hashes: [Hash; 1],
}

/// `hash`.
#[derive(Debug, Serialize)]
pub(super) struct Hash {
    pub(super) algorithm: &'static str,
    pub(super) value: String,
}
