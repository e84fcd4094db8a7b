"""The checker of AuditEvents refuses every mutant of ours, for the right reason.

Usage: test_fhir.py NDJSON, with the events of which every one holds.
"""

import copy
import importlib.util
import json
import pathlib
import sys

# By its place: `fhir` is a package, too.
spec = importlib.util.spec_from_file_location("check_fhir", pathlib.Path(__file__).with_name("fhir.py"))
checker = importlib.util.module_from_spec(spec)
spec.loader.exec_module(checker)


def agent(event, code):
    return next(agent for agent in event["agent"] if any(code == coding["code"] for coding in agent["type"]["coding"]))


def entity(event, code):
    return next(entity for entity in event["entity"] if entity["type"]["code"] == code)


def put(key, value):
    return lambda event: event.update({key: value})


def drop(key):
    return lambda event: event.pop(key)


# Pattern of the event that is changed, what is changed, what has to be said.
MUTANTS = [
    ("PatientQuery", drop("recorded"), "structure: recorded"),
    ("PatientQuery", put("agent", []), "codes: AuditEvent.agent: A agent entry is required"),
    ("PatientQuery", put("severity", "high"), "structure: severity"),
    ("PatientQuery", put("outcome", "7"), 'codes: AuditEvent.outcome: Code "7" not found'),
    ("PatientQuery", put("action", "Q"), 'codes: AuditEvent.action: Code "Q" not found'),
    ("PatientQuery", lambda event: event["type"].update(code="soap"), "codes: AuditEvent.type"),
    ("PatientQuery", lambda event: entity(event, "1")["role"].update(code="99"), "codes: AuditEvent.entity[1].role"),
    ("PatientQuery", put("id", "a/b"), "FHIR: id"),
    ("PatientQuery", put("recorded", "2026-11-24"), "FHIR: recorded"),
    ("PatientQuery", lambda event: entity(event, "2").update(query="%"), "FHIR: a query is not base64"),
    ("PatientQuery", lambda event: entity(event, "2").update(name="statement"), "FHIR: sev-1"),
    ("denied", lambda event: event["entity"].pop(), "FHIR: dom-3"),
    ("PatientQuery", put("action", "R"), "BALP: action"),
    ("PatientQuery", put("subtype", []), "BALP: subtype"),
    ("PatientQuery", lambda event: event["entity"].remove(entity(event, "1")), "BALP: profile"),
    ("PatientQuery", lambda event: event["entity"].append(entity(event, "1")), "BALP: entity:patient: 2"),
    ("PatientQuery", lambda event: entity(event, "1")["what"].update(type="Group"), "BALP: entity:patient.what"),
    ("PatientQuery", lambda event: entity(event, "2").pop("query"), "BALP: entity:query.query"),
    ("PatientQuery", lambda event: entity(event, "2").update(what={"display": "x"}), "BALP: entity:query.what"),
    ("PatientQuery", lambda event: agent(event, "110153").pop("network"), "BALP: agent:client.network"),
    ("PatientQuery", lambda event: agent(event, "IRCP").update(requestor=False), "BALP: agent:user.requestor"),
    ("PatientRead", lambda event: agent(event, "110152")["type"]["coding"][0].update(code="110153"), "BALP: agent:client: 0"),
    ("Read", lambda event: entity(event, "2").pop("what"), "BALP: entity:data.what"),
    ("Create", lambda event: entity(event, "2")["role"].update(code="24"), "BALP: entity:data.role"),
    ("PatientUpdate", lambda event: agent(event, "AUT")["type"]["coding"][0].update(code="IRCP"), "BALP: agent:user: 0"),
    ("Delete", lambda event: agent(event, "custodian")["type"]["coding"][0].update(code="informant"), "BALP: agent:server: 0"),
    ("denied", lambda event: event["meta"].update(profile=[checker.PROFILES + "Query"]), "BALP: profile"),
    ("denied", drop("contained"), "ours: a failure has an OperationOutcome"),
    ("Query", lambda event: event["entity"].remove(entity(event, "4")), "ours: no entry"),
    ("Query", lambda event: agent(event, "110153")["network"].update(address="192.0.2.7:40000"), "ours: 192.0.2.7:40000 is no"),
    ("Query", lambda event: agent(event, "110153")["network"].update(type="1"), "ours: 192.0.2.7 is no address of type 1"),
    ("Query", lambda event: event["source"]["observer"].pop("identifier"), "ours: the gateway"),
]


def main():
    lines = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines]

    def chosen(pattern):
        if pattern == "denied":
            return next(event for event in events if event.get("outcomeDesc", "").startswith("denied"))
        profile = [checker.PROFILES + pattern]
        return next(event for event in events if event["meta"].get("profile") == profile)

    mutants = []
    for pattern, change, _ in MUTANTS:
        mutants.append(copy.deepcopy(chosen(pattern)))
        change(mutants[-1])
    refused = 0
    for (pattern, _, wanted), faults in zip(MUTANTS, checker.check(mutants), strict=True):
        right = any(fault.startswith(wanted) for fault in faults)
        refused += right
        if not right:
            print(f"{pattern}, not refused for {wanted!r}: {faults}")
    print(f"{refused} of {len(MUTANTS)} mutants refused for the right reason")
    sys.exit(refused != len(MUTANTS))


if __name__ == "__main__":
    main()
