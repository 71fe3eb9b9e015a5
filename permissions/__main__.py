"""`python -m permissions FOLDER`: judges the roles of template.yaml by the calls that were written into a folder.

With `--write` it also brings docs/security.md and the tests' sample of calls up to date.
"""

import json
import pathlib
import sys

from . import hostile, judge, outsiders, report
from .template import ACCOUNT, REGION, Template

ROOT = pathlib.Path(__file__).parent.parent
TEMPLATE = ROOT / "template.yaml"
KEYS = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/"
# All that adds to the roles. The end-to-end tests' checks are these functions.
GIVEN = {
    "CheckFunctionArns": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:smoke*",
    "CheckSubnetIds": "subnet-0a",
    "CheckSecurityGroupIds": "sg-01",
    "ParameterKeyArns": f"{KEYS}parameters",
    "VolumeKeyArns": f"{KEYS}volumes",
    "Tracing": "Active",
}

# Calls that use all that the roles allow, for the tests of this folder.
SAMPLE = pathlib.Path(__file__).parent / "tests" / "calls.jsonl"


def main(folder, write=False):
    calls = judge.read(pathlib.Path(folder))
    if not calls:
        print(f"No calls were written into {folder}: run the end-to-end tests with POINTSMAN_JOURNAL={folder}", file=sys.stderr)
        return 1
    template = Template(TEMPLATE)
    judged = judge_all(template, calls)
    judged.faults += report.docs(ROOT / "docs" / "security.md", template, hostile.CASES, write)
    if write:
        SAMPLE.write_text("".join(json.dumps(call) + "\n" for call in judge.sample(template.with_parameters(GIVEN), calls)))
    print(report.summary(judged, hostile.CASES, outsiders.CASES))
    for fault in judged.faults:
        print(f"  {fault}", file=sys.stderr)
    return 1 if judged.faults else 0


def judge_all(template, calls):
    """All questions: about the roles as they are by default, with all that parameters add, and as narrow as they can be."""
    judged = judge.Judged()
    judge.callers(template, judged)
    judge.waited_for(template, judged)
    outsiders.judge(template, judged)
    given = template.with_parameters(GIVEN)
    roles = judge.roles_of(given)
    judge.allowed(roles, calls, judged)
    judge.by_aws(given, roles, judged)
    judge.needed(roles, judged)
    judge.denied(template, hostile.CASES, judged)
    narrow = given.with_parameters(judge.narrowed(calls))
    for one in (template, given, narrow):
        judge.understood(judge.roles_of(one), judged)
    for one in (template, given):
        judge.sizes(one, judged)
    # Of these two only what they deny: what the functions use is known by now.
    checks = ("lambda", "Invoke")
    without_checks = [call for call in calls if (call["service"], call["action"]) != checks]
    for title, one, some in (("by default", template, without_checks), ("with all narrowed", narrow, calls)):
        other = judge.Judged()
        judge.allowed(judge.roles_of(one), some, other)
        judge.by_aws(one, judge.roles_of(one), other)
        judged.faults += [f"{title}: {fault}" for fault in other.faults]
    judged.faults = list(dict.fromkeys(judged.faults))
    return judged


if __name__ == "__main__":
    arguments = [one for one in sys.argv[1:] if one != "--write"]
    sys.exit(main(*arguments, write="--write" in sys.argv))
