"""The checker of OCSF events refuses every mutant of ours, for the right reason.

Usage: test_ocsf.py NDJSON, with the events of which every one holds.
"""

import copy
import json
import pathlib
import sys

import ocsf


def put(key, value):
    return lambda event: event.update({key: value})


def drop(key):
    return lambda event: event.pop(key)


def drop_all(*keys):
    return lambda event: [event.pop(key) for key in keys]


# Class of the event that is changed, what is changed, what has to be said.
MUTANTS = [
    (3002, drop("time"), "schema: $: 'time' is a required property"),
    (3002, put("time", "2026-11-24T09:30:01Z"), "schema: $.time"),
    (3002, drop("user"), "schema: $: 'user' is a required property"),
    (3002, drop_all("service", "dst_endpoint"), "schema: $: "),
    (3002, put("activity_id", 8), "schema: $.activity_id"),
    (3002, lambda event: event["user"].update(name=7), "schema: $.user.name"),
    (3002, put("status", "Failure"), "captions: $.status_id"),
    (3002, put("type_uid", 300202), "captions: $.type_uid"),
    (6005, drop("src_endpoint"), "schema: $: 'src_endpoint' is a required property"),
    (6005, put("src_endpoint", {}), "schema: $.src_endpoint: "),
    (3002, drop("src_endpoint"), "ours: nothing says where a session comes from"),
    (6005, put("src_endpoint", {"ip": "192.0.2.7:40000"}), "ours: 192.0.2.7:40000 is no address"),
    (6005, put("src_endpoint", {"ip": "192.0.2.7", "port": 70_000}), "schema: $.src_endpoint.port"),
    (6005, drop_all("database", "table"), "schema: $: "),
    (6005, lambda event: event["database"].pop("type_id"), "schema: $.database: 'type_id' is a required property"),
    (6005, lambda event: event["query_info"].pop("query_string"), "schema: $.query_info: 'query_string'"),
    (6005, put("ai_agent", {"uid": "a"}), "schema: $: Additional properties are not allowed ('ai_agent'"),
    (6005, put("record_integrity", {}), "schema: $: Additional properties are not allowed ('record_integrity'"),
    (6005, lambda event: event["metadata"].update(profiles=[]), "schema: $: Additional properties are not allowed"),
    (6005, lambda event: event["actor"].update(invoked_by="a"), "dated: $.actor.invoked_by"),
    (6005, put("disposition_id", 2), "captions: $.disposition_id"),
    (6005, lambda event: event["unmapped"].pop("record_integrity"), "ours: no root"),
    (6005, lambda event: event["unmapped"]["record_integrity"].update(entries=[1]), "ours: original_event_uid"),
    (6005, lambda event: event["unmapped"]["ai_agent"].update(instance_uid="other"), "ours: the agent's instance"),
    (6003, drop("api"), "schema: $: 'api' is a required property"),
    (6003, put("class_uid", 6099), "schema: $.class_uid"),
    (2006, drop("finding_info"), "schema: $: 'finding_info' is a required property"),
    (2006, put("data_security", {"total": 1}), "schema: $.data_security: "),
    (2006, lambda event: event["data_security"].update(category="Financial"), "captions: $.data_security.category_id"),
    (2006, lambda event: event["metadata"].pop("original_event_uid"), "ours: no entry"),
    (2003, drop("compliance"), "schema: $: 'compliance' is a required property"),
    (2003, lambda event: event["compliance"].update(status_id=7), "schema: $.compliance.status_id"),
    (2003, lambda event: event["metadata"].update(version="1.9.0"), "ours: version 1.9.0"),
]


def main():
    lines = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    refused = 0
    for class_, change, wanted in MUTANTS:
        mutant = copy.deepcopy(next(event for event in events if event["class_uid"] == class_))
        change(mutant)
        faults = ocsf.check(mutant)
        right = any(fault.startswith(wanted) for fault in faults)
        refused += right
        if not right:
            print(f"{class_}, not refused for {wanted!r}: {faults}")
    print(f"{refused} of {len(MUTANTS)} mutants refused for the right reason")
    sys.exit(refused != len(MUTANTS))


if __name__ == "__main__":
    main()
