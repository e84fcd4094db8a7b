//! Code systems that the events use, as FHIR R4 and BALP 1.1.4 name them.

use serde_json::{Value, json};

/// Where the profiles of BALP stand, without the last part of their names.
pub(super) const PROFILES: &str = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.";

/// Terms of DICOM, PS3.16.
pub(super) const DICOM: &str = "http://dicom.nema.org/resources/ontology/DCM";

/// Kinds of audit events.
pub(super) const EVENT: &str = "http://terminology.hl7.org/CodeSystem/audit-event-type";

/// Interactions of REST.
pub(super) const INTERACTION: &str = "http://hl7.org/fhir/restful-interaction";

/// How somebody takes part, of HL7 version 3.
pub(super) const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";

/// How somebody takes part, of FHIR's provenance.
pub(super) const PARTICIPANT: &str = "http://terminology.hl7.org/CodeSystem/provenance-participant-type";

/// What an entity is.
pub(super) const ENTITY: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";

/// What an entity is in the event.
pub(super) const ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";

/// What recorded the event.
pub(super) const SOURCE: &str = "http://terminology.hl7.org/CodeSystem/security-source-type";

/// Types of resources.
pub(super) const RESOURCE: &str = "http://hl7.org/fhir/resource-types";

/// The extension that says why something is absent.
pub(super) const ABSENT: &str = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";

/// A code with its system and its display.
pub(super) fn coding(system: &str, code: &str, display: &str) -> Value {
    json!({ "system": system, "code": code, "display": display })
}

/// DICOM's source of what flows.
pub(super) fn source() -> Value {
    coding(DICOM, "110153", "Source Role ID")
}

/// DICOM's destination of what flows.
pub(super) fn destination() -> Value {
    coding(DICOM, "110152", "Destination Role ID")
}
