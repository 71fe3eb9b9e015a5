"""Prints a template with its loops (Fn::ForEach) unrolled, as cfn-lint unrolls them, which has it from AWS."""

import json
import sys

from cfnlint.decode import decode
from cfnlint.template import Template

path = sys.argv[1]
body, problems = decode(path)
template = Template(path, body, ["us-east-1"])
problems += template.transform()
if problems:
    sys.exit("\n".join(map(str, problems)))
json.dump(template.template, sys.stdout)
