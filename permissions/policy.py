"""`python -m permissions.policy POLICY CALLS`: judges a policy that is printed for people by the calls that it is for.

All of the calls have to be allowed, and nothing else: each action on each resource of it has to be used by one of them.
"""

import json
import pathlib
import sys

from . import judge
from .calls import requests_of
from .template import Statement, many


def statements(policy):
    """The statements of a policy document."""
    return [
        Statement("policy", f"statement {number}", one["Effect"], tuple(many(one["Action"])), tuple(many(one["Resource"])), one.get("Condition", {}))
        for number, one in enumerate(policy["Statement"], 1)
    ]


def faults(policy, calls):
    """What is denied, and what no call used."""
    judged = judge.Judged()
    roles = {caller.lower(): statements(policy) for caller in {call["caller"] for call in calls}}
    judge.understood(roles, judged)
    judge.allowed(roles, calls, judged)
    judge.needed(roles, judged)
    return judged.faults


def main(policy, calls):
    calls = [json.loads(line) for line in pathlib.Path(calls).read_text().splitlines()]
    if not [request for call in calls for request in requests_of(call)]:
        print("No calls are to be judged.", file=sys.stderr)
        return 1
    found = faults(json.loads(pathlib.Path(policy).read_text()), calls)
    for fault in found:
        print(fault)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
