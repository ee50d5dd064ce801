"""Judges texts of YAML by JSON Schemas: [[schema, text], …] on stdin, a list of complaints for each on stdout."""

import json
import sys

import jsonschema
from ruamel.yaml import YAML

judgements = []
for schema, text in json.load(sys.stdin):
    jsonschema.Draft7Validator.check_schema(schema)
    document = YAML(typ="safe", pure=True).load(text)
    found = jsonschema.Draft7Validator(schema).iter_errors(document)
    leaves = []
    for error in found:
        path = "/".join(str(part) for part in error.absolute_path)
        causes = [f"{path}: {error.message}"]
        causes += [f"{path}: {cause.message}" for cause in error.context]
        leaves.append("; ".join(causes))
    judgements.append(leaves)
json.dump(judgements, sys.stdout)
