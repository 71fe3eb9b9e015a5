"""IAM's decision about one request, for the policies that the template has: identity policies of one account.

Whatever is not understood is an error, never a yes or a no.
"""

import re
from dataclasses import dataclass, field
from functools import cache

from . import reference
from .template import many

# The reference lists these with no action.
KNOWN_EVERYWHERE = ("lambda:sourcefunctionarn", "aws:sourceaccount")


class NotUnderstood(Exception):
    """A policy says something that is not understood here."""


@dataclass
class Request:
    """What AWS decides about: an action on a resource (`*` where the action knows none), and what it knows beside."""

    action: str
    resource: str
    context: dict = field(default_factory=dict)

    def __post_init__(self):
        kind = self.type()
        known = {}
        for key, value in self.context.items():
            # What the reference does not list for the action, AWS does not tell.
            if key.lower() in KNOWN_EVERYWHERE or reference.knows_key(self.action, kind, key):
                known[key.lower()] = [str(one) for one in many(value)]
        self.context = known

    def type(self):
        if not reference.resource_types(self.action):
            if self.resource != "*":
                raise NotUnderstood(f"{self.action} knows no resource, and is asked about {self.resource}")
            return ""
        kind = reference.type_of(self.action, self.resource)
        if kind is None:
            raise NotUnderstood(f"{self.action} knows no resource like {self.resource}")
        return kind

    def __str__(self):
        tags = [f"{key}={','.join(value)}" for key, value in sorted(self.context.items())]
        return f"{self.action} on {self.resource}" + (f" ({'; '.join(tags)})" if tags else "")


@dataclass
class Decision:
    """Whether a request is allowed, and by which statements; or denied by which."""

    allowed: bool
    by: list


def decide(statements, request):
    """Denied if one statement denies it; else allowed if one allows it; else denied."""
    fitting = [one for one in statements if fits(one, request)]
    denying = [one for one in fitting if one.effect == "Deny"]
    if denying:
        return Decision(False, denying)
    return Decision(bool(fitting), fitting)


def fits(statement, request):
    """Whether a statement is about a request."""
    if not any(matches(pattern, request.action, ignore_case=True) for pattern in statement.actions):
        return False
    about = any(matches(pattern, request.resource) for pattern in statement.resources or statement.not_resources)
    if about == bool(statement.not_resources):
        return False
    return all(
        holds(operator, key, many(values), request.context.get(key.lower()))
        for operator, pairs in statement.conditions.items()
        for key, values in pairs.items()
    )


def matches(pattern, text, ignore_case=False):
    """IAM's wildcards: * for any text, ? for one character."""
    return bool(_compiled(pattern, ignore_case).fullmatch(text))


@cache
def _compiled(pattern, ignore_case):
    if "${" in pattern:
        raise NotUnderstood(f"policy variables are not understood here: {pattern}")
    text = "".join({"*": ".*", "?": "."}.get(one, re.escape(one)) for one in pattern)
    return re.compile(text, re.IGNORECASE | re.DOTALL if ignore_case else re.DOTALL)


# How one value is compared, and whether the operator asks for the contrary.
COMPARE = {
    "StringEquals": (lambda wanted, value: wanted == value, False),
    "StringNotEquals": (lambda wanted, value: wanted == value, True),
    "StringLike": (matches, False),
    "StringNotLike": (matches, True),
    "ArnEquals": (matches, False),
    "ArnLike": (matches, False),
    "ArnNotLike": (matches, True),
    "Bool": (lambda wanted, value: str(wanted).lower() == value.lower(), False),
}


def holds(operator, key, wanted, values):
    """Whether one line of a condition holds; `values` is None where AWS does not tell the key."""
    wanted = [str(one).lower() if isinstance(one, bool) else str(one) for one in wanted]
    if operator == "Null":
        return (values is None) == (wanted == ["true"])
    quantifier, compare, negated = read(operator)
    if operator.endswith("IfExists") and values is None:
        return True

    def one(value):
        return any(compare(pattern, value) for pattern in wanted) != negated

    if quantifier == "ForAllValues":
        return all(one(value) for value in values or [])
    if quantifier == "ForAnyValue":
        return any(one(value) for value in values or [])
    if values is None:
        return negated
    if len(values) != 1:
        raise NotUnderstood(f"{key} has {len(values)} values: {operator} needs ForAllValues or ForAnyValue before it")
    return one(values[0])


def read(operator):
    """A condition's operator: its quantifier, how it compares one value, and whether it asks for the contrary."""
    quantifier, _, name = operator.rpartition(":")
    name = name.removesuffix("IfExists")
    if name not in COMPARE or quantifier not in ("", "ForAllValues", "ForAnyValue"):
        raise NotUnderstood(f"the condition operator {operator} is not understood here")
    return quantifier, *COMPARE[name]


def named(statement):
    """The values that a statement's conditions name, each with how and with what it is compared."""
    for operator, pairs in statement.conditions.items():
        if operator == "Null":
            continue
        _, compare, negated = read(operator)
        for key, values in pairs.items():
            for value in [] if negated else many(values):
                yield key, str(value), compare
