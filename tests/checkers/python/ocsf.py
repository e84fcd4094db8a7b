"""Holds events, one JSON document a line, to OCSF 1.8.0, by the compiled schema that `ocsf-json-schema` carries.

    ocsf.py NDJSON

schema    the JSON Schema of the class with the event's profiles: required, types, enums, at_least_one, nothing unknown
captions  a number has its caption beside it, and the number of a type is that of its class and its activity
dated     nothing that the schema calls deprecated
ours      what docs/formats/ocsf.md promises beside these

Prints how many events of which classes hold, or what is wrong with each and exits with 1.
"""

import functools
import ipaddress
import json
import pathlib
import sys

import jsonschema
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

VERSION = "1.8.0"
SCHEMA = get_ocsf_schema(VERSION)
CLASSES = {definition["uid"]: name for name, definition in SCHEMA["classes"].items()}
OTHER = 99
# Classes of events of a session.
OF_SESSIONS = (3002, 6003, 6005)
# What 1.9 adds, and where alone it may stand before that.
LATER = ("ai_agent", "record_integrity")


def is_address(text):
    try:
        return bool(ipaddress.ip_address(text))
    except ValueError:
        return False


@functools.cache
def validator(name, profiles):
    schema = OcsfJsonSchemaEmbedded(SCHEMA).get_class_schema(name, list(profiles))
    return jsonschema.Draft202012Validator(schema)


def schema(event, name):
    profiles = tuple(event.get("metadata", {}).get("profiles", []))
    for fault in validator(name, profiles).iter_errors(event):
        yield f"schema: {fault.json_path}: {fault.message[:200]}"


def attributes(value, definition, path="$"):
    """Every attribute of the schema that an event has, with its definition, its object and its path."""
    for key, inner in value.items():
        attribute = definition["attributes"].get(key)
        if attribute is None:
            continue
        yield attribute, value, key, f"{path}.{key}"
        if attribute["type"] != "object_t":
            continue
        below = SCHEMA["objects"][attribute["object_type"]]
        for item in inner if isinstance(inner, list) else [inner]:
            if isinstance(item, dict):
                yield from attributes(item, below, f"{path}.{key}")


def captions(event, name):
    for attribute, holder, key, path in attributes(event, SCHEMA["classes"][name]):
        enum, sibling = attribute.get("enum"), attribute.get("sibling")
        number = holder[key]
        if not enum or sibling not in holder or number == OTHER or str(number) not in enum:
            continue
        if holder[sibling] != enum[str(number)]["caption"]:
            yield f"captions: {path}: {number} is not {holder[sibling]!r}"
    if event.get("type_uid") != event.get("class_uid", 0) * 100 + event.get("activity_id", 0):
        yield f"captions: $.type_uid: {event.get('type_uid')} is not of its class and activity"


def dated(event, name):
    for attribute, _, _, path in attributes(event, SCHEMA["classes"][name]):
        if "@deprecated" in attribute:
            yield f"dated: {path}"


def ours(event):
    unmapped = event.get("unmapped", {})
    integrity = unmapped.get("record_integrity", {})
    if not integrity.get("root") or not isinstance(integrity.get("entries"), list):
        yield "ours: no root, or no entries"
    metadata = event.get("metadata", {})
    original = metadata.get("original_event_uid")
    if original is not None:
        log, _, index = original.rpartition("/")
        if log != integrity.get("log") or not index.isdigit() or int(index) != next(iter(integrity["entries"]), None):
            yield "ours: original_event_uid is not the first of the entries"
    elif event.get("class_uid") != 2003:
        yield "ours: no entry"
    if metadata.get("version") != VERSION:
        yield f"ours: version {metadata.get('version')}"
    end = event.get("src_endpoint", {})
    if "ip" in end and not is_address(end["ip"]):
        yield f"ours: {end['ip']} is no address"
    if event.get("class_uid") in OF_SESSIONS and "session" in unmapped and not end.keys() & {"ip", "name", "uid"}:
        yield "ours: nothing says where a session comes from"
    session = unmapped.get("ai_agent", {}).get("instance_uid")
    if session != unmapped.get("session"):
        yield "ours: the agent's instance is not the session"


def check(event):
    """What is wrong with an event."""
    name = CLASSES.get(event.get("class_uid"))
    if name is None:
        return [f"schema: $.class_uid: {event.get('class_uid')} is no class"]
    return [*schema(event, name), *captions(event, name), *dated(event, name), *ours(event)]


def main():
    lines = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    wrong = [f"line {number}: {fault}" for number, event in enumerate(events, 1) for fault in check(event)]
    if len({event["metadata"]["uid"] for event in events}) != len(events):
        wrong.append("two events have one uid")
    if wrong:
        print("\n".join(wrong))
        sys.exit(1)
    print(f"{len(events)} events hold: {' '.join(str(uid) for uid in sorted({event['class_uid'] for event in events}))}")


if __name__ == "__main__":
    main()
