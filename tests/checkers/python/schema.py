"""Holds documents against a JSON Schema, with a validator that is not ours.

    schema.py SCHEMA DOCUMENTS

DOCUMENTS is a JSON list; a JSON list of what is wrong with each is printed, with null for what is accepted.
"""

import json
import sys

import jsonschema


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        schema = json.load(file)
    with open(sys.argv[2], encoding="utf-8") as file:
        documents = json.load(file)
    validator = jsonschema.validators.validator_for(schema)
    validator.check_schema(schema)
    faults = [jsonschema.exceptions.best_match(validator(schema).iter_errors(document)) for document in documents]
    json.dump([fault and f"{fault.json_path}: {fault.message}" for fault in faults], sys.stdout)


main()
