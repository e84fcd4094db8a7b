"""Holds AuditEvents, one JSON document a line, to FHIR R4 and to IHE BALP 1.1.4, with code that is not ours where there is any.

    fhir.py NDJSON

structure  `fhir.resources` (R4B; its AuditEvent has the elements of R4's)
codes      the npm package `fhir`, with the value sets of R4
FHIR       invariants that neither of them tests
BALP       the slices of the profiles, written down here from their published StructureDefinitions
ours       what docs/formats/fhir.md promises beside these

Prints how many events hold, or what is wrong with each and exits with 1.
"""

import base64
import binascii
import ipaddress
import json
import pathlib
import re
import subprocess
import sys

# This file and the package are both called fhir, and its directory comes first in the path of a script.
sys.path = [place for place in sys.path if pathlib.Path(place or ".").resolve() != pathlib.Path(__file__).parent]

from fhir.resources.R4B.auditevent import AuditEvent  # noqa: E402
from pydantic import ValidationError  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
PROFILES = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
DICOM = "http://dicom.nema.org/resources/ontology/DCM"
PARTICIPANT = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
ENTITY = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
EVENT = "http://terminology.hl7.org/CodeSystem/audit-event-type"
INTERACTION = "http://hl7.org/fhir/restful-interaction"
# ValueSet/DataSources and ValueSet/RestObjectRoles of BALP.
SOURCES = [(PARTICIPATION, code) for code in ("AUT", "INF", "CST")]
OBJECTS = [(ROLE, code) for code in ("4", "3", "20")]
RECIPIENT = [(PARTICIPATION, "IRCP")]
# ValueSet/network-type.
IP = "2"
SOURCE, DESTINATION = (DICOM, "110153"), (DICOM, "110152")
# Name of the profile: its interactions (AllSearchVS, AllReadVS, AllUpdateVS), action, client, server, types of a user.
PATTERNS = {
    "Query": (("search", "search-type", "search-system"), "E", SOURCE, DESTINATION, RECIPIENT),
    "Read": (("read", "vread"), "R", DESTINATION, SOURCE, RECIPIENT),
    "Create": (("create",), "C", SOURCE, DESTINATION, SOURCES),
    "Update": (("update", "patch"), "U", SOURCE, DESTINATION, SOURCES),
    "Delete": (("delete",), "D", (DICOM, "110150"), (PARTICIPANT, "custodian"), SOURCES),
}
# BALP's own server of a deletion is a code that FHIR's extensible value set does not list.
EXTENDED = f'Code "custodian" ({PARTICIPANT}) not found in value set'
# Tags are bound to a set of examples alone (R4, Meta.tag), which the package takes for all that there are.
TAG = 'AuditEvent.meta.tag[0]: Code "scoped" (urn:exhibit:bundle) not found in value set'


def is_address(text):
    try:
        return bool(ipaddress.ip_address(text))
    except ValueError:
        return False


def pair(coding):
    return (coding or {}).get("system"), (coding or {}).get("code")


def pairs(concept):
    return [pair(coding) for coding in (concept or {}).get("coding", [])]


def structure(event):
    try:
        AuditEvent.model_validate(event)
    except ValidationError as error:
        return [f"structure: {'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
    return []


def codes(events):
    """Of each event what the npm package says; it is started once for all."""
    modules = pathlib.Path(sys.prefix).parent
    lines = "".join(json.dumps(event) + "\n" for event in events)
    command = ["node", HERE.parent / "node" / "fhir.js", modules]
    said = subprocess.run(command, input=lines, capture_output=True, text=True, check=True).stdout
    told = [json.loads(line) for line in said.splitlines()]
    assert len(told) == len(events), f"{len(told)} answers to {len(events)} events"
    return [[f"codes: {fault}" for fault in faults if EXTENDED not in fault and fault != TAG] for faults in told]


def invariants(event):
    """sev-1 of AuditEvent, dom-3 of DomainResource, the forms of ids, instants and bytes."""
    if not re.fullmatch(r"[A-Za-z0-9\-.]{1,64}", event.get("id", "")):
        yield "FHIR: id has no form of an id"
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", event.get("recorded", "")):
        yield "FHIR: recorded is no instant"
    for entity in event.get("entity", []):
        if "name" in entity and "query" in entity:
            yield "FHIR: sev-1: an entity has a name and a query"
        try:
            base64.b64decode(entity.get("query", ""), validate=True)
        except binascii.Error:
            yield "FHIR: a query is not base64"
    referred = [entity.get("what", {}).get("reference") for entity in event.get("entity", [])]
    for resource in event.get("contained", []):
        if "#" + resource.get("id", "") not in referred:
            yield "FHIR: dom-3: a contained resource is not referred to"


def one(found, what):
    if len(found) != 1:
        yield f"BALP: {what}: {len(found)} and not one"


def balp(event):
    """The profile that an event of a RESTful interaction has to keep to, whether it names it or not."""
    if pair(event.get("type")) != (EVENT, "rest"):
        return
    subtypes = [code for system, code in map(pair, event.get("subtype", [])) if system == INTERACTION]
    names = [name for name, pattern in PATTERNS.items() if set(subtypes) & set(pattern[0])]
    if not names and subtypes == ["operation"]:
        if "profile" in event["meta"]:
            yield "BALP: an operation names a profile"
        return
    if len(names) != 1 or len(subtypes) != 1:
        yield f"BALP: subtype: {subtypes}"
        return
    _, action, client, server, users = PATTERNS[names[0]]
    patients = [entity for entity in event.get("entity", []) if pair(entity.get("type")) == (ENTITY, "1")]
    profile = [PROFILES + ("Patient" if patients else "") + names[0]]
    if event["meta"].get("profile", []) != (profile if event.get("outcome") == "0" else []):
        yield f"BALP: profile: {event['meta'].get('profile')} of a {names[0]} with outcome {event.get('outcome')}"
    if event.get("action") != action:
        yield f"BALP: action: {event.get('action')}"
    yield from agents(event, client, server, users)
    yield from subject(event, names[0])
    if patients:
        yield from one(patients, "entity:patient")
        what = patients[0].get("what", {})
        if pair(patients[0].get("role")) != (ROLE, "1"):
            yield "BALP: entity:patient.role"
        if what.get("type", "Patient") != "Patient" or not ("reference" in what or "identifier" in what):
            yield "BALP: entity:patient.what is no reference to a patient"


def agents(event, client, server, users):
    told = [(agent, pairs(agent.get("type"))) for agent in event.get("agent", [])]
    for slice_, code in (("client", client), ("server", server)):
        found = [agent for agent, types in told if code in types]
        yield from one(found, f"agent:{slice_}")
        for agent in found:
            for wanted in ("who", "network"):
                if wanted not in agent:
                    yield f"BALP: agent:{slice_}.{wanted} is missing"
            if "media" in agent:
                yield f"BALP: agent:{slice_}.media"
    found = [agent for agent, types in told if set(users) & set(types)]
    yield from one(found, "agent:user")  # BALP lets it be absent; our events always have one
    for agent in found:
        if agent.get("requestor") is not True:
            yield "BALP: agent:user.requestor is not true"
        if "who" not in agent:
            yield "BALP: agent:user.who is missing"
        if "network" in agent or "media" in agent:
            yield "BALP: agent:user has a network or a medium"


def subject(event, name):
    found = [entity for entity in event.get("entity", []) if pair(entity.get("type")) == (ENTITY, "2")]
    if name != "Query":
        yield from one(found, "entity:data")
        for entity in found:
            if pair(entity.get("role")) not in OBJECTS:
                yield "BALP: entity:data.role"
            if "what" not in entity:
                yield "BALP: entity:data.what is missing"
        return
    yield from one(found, "entity:query")
    for entity in found:
        if pair(entity.get("role")) != (ROLE, "24"):
            yield "BALP: entity:query.role"
        if not entity.get("query"):
            yield "BALP: entity:query.query is missing"
        for never in ("what", "lifecycle", "detail"):
            if never in entity:
                yield f"BALP: entity:query.{never}"


def ours(event):
    """What docs/formats/fhir.md says of every event."""
    entries = [entity for entity in event.get("entity", []) if pair(entity.get("type")) == (ENTITY, "4")]
    details = {detail["type"]: detail.get("valueString") for entity in entries for detail in entity.get("detail", [])}
    name = entries[0]["what"]["identifier"]["value"] if entries else ""
    if not details.get("root") or not name.endswith("/" + details.get("entry", "none")):
        yield "ours: no entry of the log"
    failed = event.get("outcome") in ("4", "8")
    if failed != any(resource["resourceType"] == "OperationOutcome" for resource in event.get("contained", [])):
        yield "ours: a failure has an OperationOutcome, and nothing else has"
    for network in (agent["network"] for agent in event.get("agent", []) if "address" in agent.get("network", {})):
        if (network.get("type") == IP) != is_address(network["address"]):
            yield f"ours: {network['address']} is no address of type {network.get('type')}"
    if event["source"]["observer"].get("identifier", {}).get("system") != "urn:exhibit:gateway":
        yield "ours: the gateway is not the observer"


def check(events):
    """Of each event a list of what is wrong with it."""
    faults = codes(events)
    for event, found in zip(events, faults, strict=True):
        for held in (structure, invariants, balp, ours):
            found.extend(held(event))
    return faults


def main():
    lines = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    faults = check(events)
    wrong = [f"line {number}: {fault}" for number, found in enumerate(faults, 1) for fault in found]
    ids = [event["id"] for event in events]
    if len(set(ids)) != len(ids):
        wrong.append("two events have one id")
    if wrong:
        print("\n".join(wrong))
        sys.exit(1)
    patterns = sorted({event["meta"].get("profile", ["none"])[0].removeprefix(PROFILES) for event in events})
    print(f"{len(events)} events hold: {' '.join(patterns)}")


if __name__ == "__main__":
    main()
