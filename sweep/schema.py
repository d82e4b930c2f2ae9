# SPDX-License-Identifier: GPL-2.0-only
"""What plan.json and env.json must look like: results/schema/, in JSON Schema (draft 2020-12).

As much of JSON Schema as those files use, and no Python package for it; another keyword is an
error, so that no part of a schema can be passed over in silence.
"""

import json
import math
import os
import re
from collections.abc import Iterator
from typing import Any

from sweep import paths

# The format of plan.json and env.json that is written; older ones are read. 1 had `version` in
# place of `format`.
FORMAT = 2
MISSING = "is missing"

Json = Any
_WORDS = {"$schema", "$id", "$defs", "title", "description"}
_KEYWORDS = {"$ref", "type", "const", "enum", "pattern", "minimum", "maximum", "properties",
             "required", "additionalProperties", "items", "minItems"}
_TYPES: dict[str, tuple[type, ...]] = {"object": (dict,), "array": (list,), "string": (str,),
                                       "integer": (int,), "number": (int, float),
                                       "boolean": (bool,)}


def load(name: str) -> Json:
    """The schema of a file: `plan` or `env`."""
    return json.loads(paths.read(os.path.join(paths.RESULTS, "schema", f"{name}.json")))


def _is(value: Json, kind: str) -> bool:
    if isinstance(value, bool) or kind == "boolean":
        return isinstance(value, bool) and kind == "boolean"
    return isinstance(value, _TYPES[kind]) and not (isinstance(value, float)
                                                    and not math.isfinite(value))


def _short(value: Json) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _scalar(value: Json, rule: Json) -> Iterator[str]:
    if "const" in rule and value != rule["const"]:
        yield f"{_short(value)} is not {_short(rule['const'])}"
    if "enum" in rule and value not in rule["enum"]:
        yield f"{_short(value)} is none of {', '.join(map(str, rule['enum']))}"
    if "pattern" in rule and isinstance(value, str) and not re.search(rule["pattern"], value):
        yield f"{_short(value)} does not look like {rule['pattern']}"
    if _is(value, "number"):
        if value < rule.get("minimum", value):
            yield f"{_short(value)} is less than {rule['minimum']}"
        if value > rule.get("maximum", value):
            yield f"{_short(value)} is more than {rule['maximum']}"


def faults(value: Json, rule: Json, top: Json = None, at: tuple[str, ...] = ()
           ) -> Iterator[tuple[tuple[str, ...], str]]:
    """Where VALUE is not as RULE says: (the way to it, what is wrong), outermost first."""
    top = rule if top is None else top
    if "$ref" in rule:
        rule = top["$defs"][rule["$ref"].removeprefix("#/$defs/")]
    unknown = rule.keys() - _WORDS - _KEYWORDS
    if unknown:
        raise ValueError(f"schema: {', '.join(sorted(unknown))}: not known here")
    kinds = rule.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, k) for k in kinds):
        yield at, f"{_short(value)} is not of type {' or '.join(kinds)}"
        return
    for what in _scalar(value, rule):
        yield at, what
    if isinstance(value, dict):
        known = rule.get("properties", {})
        for name in rule.get("required", []):
            if name not in value:
                yield (*at, name), MISSING
        others = rule.get("additionalProperties", True)
        for name, inner in value.items():
            if name in known:
                yield from faults(inner, known[name], top, (*at, name))
            elif others is False:
                yield (*at, name), "is not known"
            elif others is not True:
                yield from faults(inner, others, top, (*at, name))
    if isinstance(value, list):
        if len(value) < rule.get("minItems", 0):
            yield at, "has too few items"
        for i, inner in enumerate(value if "items" in rule else []):
            yield from faults(inner, rule["items"], top, (*at, str(i)))
