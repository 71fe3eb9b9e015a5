"""The questions that are asked of the roles, and their answers."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from . import reference
from .calls import PREFIX, requests_of
from .template import ACCOUNT, REGION
from .decide import Request, decide, matches, named

# IAM's limits, in characters without white space.
INLINE_MAX = 10_240
MANAGED_MAX = 6_144

# `Resource: "*"` although AWS knows a resource, and why.
EVERYTHING = {
    "cloudformation:DescribeStackResources": "a person's: whose stack something is in, nobody knows before he asks",
    "cloudwatch:DescribeAlarms": "AWS tells composite alarms only to who may describe all",
}


@dataclass
class Judged:
    """What was found: faults, and what the roles were used for."""

    faults: list = field(default_factory=list)
    calls: Counter = field(default_factory=Counter)
    requests: int = 0
    used: dict = field(default_factory=lambda: defaultdict(set))


def read(folder):
    """The calls of all journals of a folder, by function; like ones once."""
    calls = {}
    for path in sorted(folder.glob("**/*.jsonl")):
        for line in path.read_text().splitlines():
            call = json.loads(line)
            key = json.dumps({**call, "status": 0}, sort_keys=True)
            calls.setdefault(key, call)
    return list(calls.values())


def sample(template, calls):
    """A few of the calls that use as much of the roles as all of them: the first that use something."""
    roles, judged, chosen, used = roles_of(template), Judged(), [], 0
    for call in sorted(calls, key=lambda call: (call["caller"], call["service"], call["action"])):
        allowed(roles, [call], judged)
        size = sum(len(one) for one in judged.used.values())
        if size > used:
            used = size
            chosen.append({key: value for key, value in call.items() if key != "status"})
    return chosen


def callers(template, judged):
    """Nobody may invoke a function but EventBridge's own rules, and teardown alone: all else needs a permission in the template."""
    for logical_id, resource in template.resources.items():
        properties = resource.get("Properties", {})
        if resource["Type"] in ("AWS::Lambda::Permission", "AWS::Lambda::Url", "AWS::Lambda::EventSourceMapping"):
            judged.faults.append(f"{logical_id} lets somebody call a function")
        if resource["Type"] != "AWS::Serverless::Function":
            continue
        if "FunctionUrlConfig" in properties:
            judged.faults.append(f"{logical_id} has a URL")
        for event, source in properties.get("Events", {}).items():
            if logical_id != "TeardownFunction" or source["Type"] not in ("EventBridgeRule", "Schedule"):
                judged.faults.append(f"{logical_id} is called by {event}, which is {source['Type']}")


def waited_for(template, judged):
    """A function waits for its role, and for what the role names: not for a policy that names the role.

    Lambda looks at some rights when a function is made or changed, and CloudFormation makes what does not wait side by side.
    """
    roles = set(template.functions().values())
    for logical_id, resource in template.resources.items():
        properties = resource.get("Properties", {})
        of = properties.get("Roles", []) + [properties.get("RoleName", {})]
        if resource["Type"].startswith("AWS::IAM::") and roles & {str(one.get("Ref")) for one in of if isinstance(one, dict)}:
            judged.faults.append(f"{logical_id} names a function's role, so that the function does not wait for it. Let the role name it")


def allowed(roles, calls, judged):
    """Every call that a function made is allowed to it."""
    denied = {}
    for call in calls:
        function = call["caller"].lower()
        judged.calls[function, f"{PREFIX.get(call['service'], call['service'])}:{call['action']}"] += 1
        for request in requests_of(call):
            judged.requests += 1
            decision = decide(roles[function], request)
            if decision.allowed:
                note_use(judged, function, request, decision)
            else:
                by = f" ({decision.by[0].sid} denies it)" if decision.by else ""
                denied.setdefault((function, request.action, request.type()), f"{function} is denied {request}{by}")
    judged.faults += denied.values()


def note_use(judged, function, request, decision):
    for statement in decision.by:
        for resource in statement.resources:
            if matches(resource, request.resource):
                judged.used[function].add((statement.sid, request.action, resource))
        for key, value, compare in named(statement):
            if any(compare(value, told) for told in request.context.get(key.lower(), [])):
                judged.used[function].add((statement.sid, key, value))


def by_aws(template, roles, judged):
    """What AWS itself does with a function's role is allowed."""
    for function in roles:
        for request in asked_by_aws(template, function):
            decision = decide(roles[function], request)
            if decision.allowed:
                note_use(judged, function, request, decision)
            else:
                judged.faults.append(f"AWS is denied {request} with the role of {function}")


def asked_by_aws(template, function):
    """What AWS itself asks for with a function's role."""
    group = template.attribute(f"{function.capitalize()}Logs", "Arn").removesuffix(":*")
    stream = f"{group}:log-stream:2026/11/21/[$LATEST]0"
    yield Request("logs:CreateLogStream", stream)
    yield Request("logs:PutLogEvents", stream)
    yield Request("sqs:SendMessage", template.attribute("DeadLetters", "Arn"))
    if template.condition("HasTracing"):
        yield Request("xray:PutTraceSegments", "*")
        yield Request("xray:PutTelemetryRecords", "*")
    # Lambda's developer guide, on the execution role of functions in a VPC.
    if template.condition("HasCheckSubnets") and function in ("register", "promote"):
        yield Request("ec2:DescribeNetworkInterfaces", "*")
        yield Request("ec2:DescribeSubnets", "*")
        made = f"arn:aws:ec2:{REGION}:{ACCOUNT}:network-interface/eni-01"
        for action in ("Create", "Delete"):
            yield Request(f"ec2:{action}NetworkInterface", made)
        for action in ("Assign", "Unassign"):
            yield Request(f"ec2:{action}PrivateIpAddresses", made)
        for owner in (ACCOUNT, "210987654321"):
            yield Request("ec2:CreateNetworkInterface", f"arn:aws:ec2:{REGION}:{owner}:subnet/subnet-0a")
            yield Request("ec2:CreateNetworkInterface", f"arn:aws:ec2:{REGION}:{owner}:security-group/sg-01")
    # Systems Manager's user guide, on SecureString parameters.
    if template.condition("HasParameterKeys"):
        for key in template.reference("ParameterKeyArns"):
            yield Request("kms:Decrypt", key, {"kms:ViaService": f"ssm.{REGION}.amazonaws.com"})
    # EC2's user guide, on EBS encryption.
    if template.condition("HasVolumeKeys") and function == "provision":
        via = {"kms:ViaService": f"ec2.{REGION}.amazonaws.com", "kms:GrantIsForAWSResource": "true"}
        for key in template.reference("VolumeKeyArns"):
            for action in ("CreateGrant", "Decrypt", "DescribeKey", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo"):
                yield Request(f"kms:{action}", key, via)


def narrowed(calls):
    """The narrowest parameters with which all of these calls are allowed."""
    found = defaultdict(set)
    for call in calls:
        for request in requests_of(call):
            action, resource = request.action, request.resource
            if action == "elasticloadbalancing:CreateRule":
                found["ListenerArns"].add(resource)
            elif ":listener-rule/" in resource:
                found["ListenerArns"].add(resource.replace(":listener-rule/", ":listener/").rpartition("/")[0])
            elif action.startswith("route53:"):
                found["HostedZoneArns"].add(resource)
            elif action == "sns:Publish":
                found["NotifyTopicArns"].add(resource)
            elif action == "lambda:InvokeFunction":
                found["CheckFunctionArns"].add(resource)
            elif action == "iam:PassRole":
                found["InstanceRoles"].add(resource.split(":role/", 1)[1])
    return {name: ",".join(sorted(values)) for name, values in found.items()}


def needed(roles, judged):
    """Every action on every resource that a statement allows was used by some call, and every value that its conditions name."""
    for function, statements in roles.items():
        for statement in statements:
            if statement.effect != "Allow":
                continue
            for action in statement.actions:
                if "*" in action:
                    continue  # `understood` takes none of these.
                for resource in statement.resources:
                    if (statement.sid, action, resource) in judged.used[function]:
                        continue
                    if reference.resource_types(action) and resource != "*" and not reference.type_of(action, resource):
                        continue  # The statement's other action is meant; `understood` looks at those that fit none.
                    judged.faults.append(
                        f"{function} may {action} on {resource} ({statement.policy}, {statement.sid}), and no call used it"
                    )
            for key, value, _ in named(statement):
                if (statement.sid, key, value) not in judged.used[function]:
                    judged.faults.append(
                        f"{function} may where {key} is {value} ({statement.policy}, {statement.sid}), and no call used it"
                    )


def understood(roles, judged):
    """AWS understands each statement as it is meant: actions and resources exist, conditions are asked, `*` is for what knows none."""
    for function, statements in roles.items():
        for statement in statements:
            where = f"{statement.policy}, {statement.sid}"
            about = statement.resources or statement.not_resources
            fitting = {resource: False for resource in about}
            for action in statement.actions:
                if "*" in action or "?" in action:
                    judged.faults.append(f"{where}: {action} stands for more than one action. Name each")
                    continue
                types = reference.resource_types(action)
                for resource in about:
                    kind = reference.type_of(action, resource) if types and resource != "*" else ""
                    if resource == "*":
                        fitting[resource] = True
                        if types and statement.effect == "Allow" and action not in EVERYTHING:
                            judged.faults.append(f'{where}: {action} knows resources ({", ".join(types)}). Name them, not "*"')
                    elif not types:
                        judged.faults.append(f'{where}: {action} knows no resource: AWS allows it on "*" or never')
                    elif kind is not None:
                        fitting[resource] = True
                        conditions(statement, action, kind, where, judged)
            for resource, fits in fitting.items():
                if not fits:
                    judged.faults.append(f"{where}: none of {', '.join(statement.actions)} knows a resource like {resource}")


def conditions(statement, action, kind, where, judged):
    for operator, pairs in statement.conditions.items():
        for key, values in pairs.items():
            if key.lower() == "lambda:sourcefunctionarn":
                continue
            if statement.effect == "Deny" and operator == "Null" and values == "true":
                continue  # It holds where AWS never tells the key, as it is meant.
            if reference.has_several(action, key) and operator != "Null" and ":" not in operator:
                judged.faults.append(f"{where}: {key} has several values: {operator} needs ForAllValues or ForAnyValue before it")
            if not reference.knows_key(action, kind, key):
                judged.faults.append(f"{where}: AWS does not tell {key} when it decides about {action} on a {kind}")


def denied(template, cases, judged):
    """Every hostile call is denied to every function that it is tried as, and its control is allowed."""
    known = {}
    for case in cases:
        given = json.dumps(case.parameters)
        roles = known.get(given) or known.setdefault(given, roles_of(template.with_parameters(case.parameters)))
        for function in case.functions:
            requests = asked_by(case.call)
            judged.requests += len(requests)
            if all(decide(roles[function], request).allowed for request in requests):
                judged.faults.append(f"{function} is allowed to {case.title}: {requests[0]}")
        if case.control:
            function, call = case.control
            for request in asked_by(call):
                if not decide(roles[function], request).allowed:
                    judged.faults.append(f"the control of “{case.title}”: {function} is denied {request}")


def asked_by(call):
    return [call] if isinstance(call, Request) else requests_of(call)


def roles_of(template):
    """The statements of each function's role."""
    return {function: list(template.statements(role)) for function, role in template.functions().items()}


def sizes(template, judged):
    """Policies that are longer than IAM takes them."""
    for role in template.functions().values():
        inline = template.resources[role]["Properties"].get("Policies", [])
        length = sum(len(json.dumps(template.resolve(policy["PolicyDocument"]), separators=(",", ":"))) for policy in inline)
        if length > INLINE_MAX:
            judged.faults.append(f"{role}: its own policies have {length} characters, and IAM takes {INLINE_MAX}")
    for name, resource in template.resources.items():
        if resource["Type"] == "AWS::IAM::ManagedPolicy":
            length = len(json.dumps(template.resolve(resource["Properties"]["PolicyDocument"]), separators=(",", ":")))
            if length > MANAGED_MAX:
                judged.faults.append(f"{name}: it has {length} characters, and IAM takes {MANAGED_MAX}")
