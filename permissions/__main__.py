"""`python -m permissions FOLDER`: judges the roles of template.yaml by the calls that were written into a folder.

With `--write` it also brings docs/security.md and the tests' sample of calls up to date.
"""

import json
import pathlib
import sys

from . import hostile, judge, report
from .template import Template

ROOT = pathlib.Path(__file__).parent.parent
# What the end-to-end tests deploy with.
PARAMETERS = {"CheckFunctionArns": "arn:aws:lambda:us-east-1:123456789012:function:smoke*"}

# Calls that use all that the roles allow, for the tests of this folder.
SAMPLE = pathlib.Path(__file__).parent / "tests" / "calls.jsonl"


def main(folder, write=False):
    calls = judge.read(pathlib.Path(folder))
    if not calls:
        print(f"No calls were written into {folder}: run the end-to-end tests with POINTSMAN_JOURNAL={folder}", file=sys.stderr)
        return 1
    template = Template(ROOT / "template.yaml", PARAMETERS)
    judged = judge_all(template, calls)
    judged.faults += report.docs(ROOT / "docs" / "security.md", Template(ROOT / "template.yaml"), hostile.CASES, write)
    if write:
        SAMPLE.write_text("".join(json.dumps(call) + "\n" for call in judge.sample(template, calls)))
    print(report.summary(judged, hostile.CASES))
    for fault in judged.faults:
        print(f"  {fault}", file=sys.stderr)
    return 1 if judged.faults else 0


def judge_all(template, calls):
    """All questions about a template's roles."""
    judged = judge.Judged()
    roles = judge.roles_of(template)
    judge.understood(roles, judged)
    judge.callers(template, judged)
    judge.sizes(template, judged)
    judge.allowed(roles, calls, judged)
    judge.by_lambda(template, roles, judged)
    judge.needed(roles, judged)
    judge.denied(template, hostile.CASES, judged)
    return judged


if __name__ == "__main__":
    arguments = [one for one in sys.argv[1:] if one != "--write"]
    sys.exit(main(*arguments, write="--write" in sys.argv))
