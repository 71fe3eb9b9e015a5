"""What a function must never be able to do, whatever it is told: calls that are tried as each of the four, and are denied.

Most have a control: the same call as a function makes it, which is allowed. So a call is denied for what is hostile in it, and not
because it was written down wrongly here.
"""

from dataclasses import dataclass, field

from .decide import Request
from .template import ACCOUNT, REGION

ALL = ("provision", "register", "promote", "teardown")
OURS = {"pointsman:service": "mobile-web", "pointsman:release": "r1", "pointsman:role": "product"}
RELEASE = {"pointsman:service": "mobile-web", "pointsman:release": "r2", "pointsman:role": "pre-product", "team": "mobile"}
PRODUCT = {"pointsman:service": "mobile-web", "pointsman:rule": "product"}
PRE_PRODUCT = {"pointsman:service": "mobile-web", "pointsman:rule": "pre-product"}
SERVER = "i-0123456789abcdef0"


def arn(service, resource):
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


LISTENER = arn("elasticloadbalancing", "listener/app/web/0123456789abcdef/0123456789abcdef")
OTHER_LISTENER = arn("elasticloadbalancing", "listener/app/bank/0123456789abcdef/0123456789abcdef")
RULE = LISTENER.replace(":listener/", ":listener-rule/") + "/0123456789abcdef"
OTHER_RULE = OTHER_LISTENER.replace(":listener/", ":listener-rule/") + "/0123456789abcdef"
GROUP = arn("elasticloadbalancing", "targetgroup/bank/0123456789abcdef")
ZONE = "Z0123456789"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/servers/mobile-web"


@dataclass
class Case:
    """Something hostile: in words, the call (or what AWS decides about it), who tries it, and what is allowed instead."""

    title: str
    call: object
    functions: tuple = ALL
    # Who makes the harmless call, and the call.
    control: tuple = None
    # The template's parameters, where the call is denied only because they narrow the roles.
    parameters: dict = field(default_factory=dict)


def call(service, action, parameters=None, tags=None, **more):
    """A line as the journal has it."""
    line = {"service": service, "action": action, "region": REGION, "parameters": parameters or {}, "tags": tags or {}}
    return line | more


def elb(action, parameters, tags=None):
    return call("elasticloadbalancing", action, parameters, tags)


def tagged(prefix, tags):
    """Tags as the query protocol has them."""
    pairs = enumerate(tags.items(), 1)
    return {f"{prefix}.{n}.{part}": text for n, pair in pairs for part, text in zip(("Key", "Value"), pair)}


MADE = ("instance", "volume", "network-interface")


def launch(tags=RELEASE, tokens="required", role=ROLE, image="ami-0123", tagged_kinds=MADE):
    parameters = {"ImageId": image, "InstanceType": "t3.small", "SubnetId": "subnet-0a", "SecurityGroupId.1": "sg-01"}
    parameters |= {"MetadataOptions.HttpTokens": tokens, "BlockDeviceMapping.1.Ebs.Encrypted": "true"}
    for number, kind in enumerate(tagged_kinds, 1):
        if tags:
            parameters[f"TagSpecification.{number}.ResourceType"] = kind
            parameters |= tagged(f"TagSpecification.{number}.Tag", tags)
    if role:
        parameters["IamInstanceProfile.Name"] = "mobile-web"
    return call("ec2", "RunInstances", parameters, role=role)


def terminate(tags):
    return call("ec2", "TerminateInstances", {"InstanceId.1": SERVER}, {SERVER: tags})


def tag_server(has, tags):
    return call("ec2", "CreateTags", {"ResourceId.1": SERVER} | tagged("Tag", tags), {SERVER: has})


def tag_elb(what, has, tags):
    return elb("AddTags", {"ResourceArns.member.1": what} | tagged("Tags.member", tags), {what: has})


def on_rule(action, has, rule=RULE):
    return elb(action, {"RuleArn": rule}, {rule: has})


def on_group(action, has):
    return elb(action, {"TargetGroupArn": GROUP}, {GROUP: has})


def make_rule(tags, listener=LISTENER):
    return elb("CreateRule", {"ListenerArn": listener} | tagged("Tags.member", tags))


def make_group(tags):
    return elb("CreateTargetGroup", {"Name": "mobile-web-0123"} | tagged("Tags.member", tags))


def move_rule(rule):
    return elb("SetRulePriorities", {"RulePriorities.member.1.RuleArn": rule, "RulePriorities.member.1.Priority": "1"})


def record(action="CREATE", kind="A", zone=ZONE):
    change = f"<Change><Action>{action}</Action><ResourceRecordSet><Name>m.example.</Name><Type>{kind}</Type></ResourceRecordSet></Change>"
    body = f'<R xmlns="urn:route53">{change}</R>'
    return call("route53", "ChangeResourceRecordSets", path=f"/2013-04-01/hostedzone/{zone}/rrset", body=body)


def invoke(function):
    return call("lambda", "Invoke", path=f"/2015-03-31/functions/{function}/invocations")


def publish(topic):
    return call("sns", "Publish", {"TopicArn": arn("sns", topic)})


def announce(source, bus="default"):
    return call("events", "PutEvents", {"Entries": [{"Source": source, "DetailType": "Notice", "EventBusName": bus}]})


def parameter(name):
    return call("ssm", "GetParameter", {"Name": name})


def address(tags, name="InstanceId", to=SERVER):
    return call("ec2", "AssociateAddress", {name: to, "AllocationId": "eipalloc-01"}, {to: tags})


def address_of_interface(tags):
    return address(tags, "NetworkInterfaceId", "eni-01")


def only(action, resource="*", **context):
    """A request that no call of ours makes."""
    return Request(action, resource, context)


NARROW = {
    "ListenerArns": LISTENER,
    "HostedZoneArns": f"arn:aws:route53:::hostedzone/{ZONE}",
    "InstanceRoles": "servers/mobile-web",
    "NotifyTopicArns": arn("sns", "pointsman-mobile"),
}
CHECKS = {"CheckFunctionArns": arn("lambda", "function:pointsman-*")}
SUBNETS = {"CheckSubnetIds": "subnet-0a", "CheckSecurityGroupIds": "sg-01"}
NOT_LAUNCHING = ("register", "promote", "teardown")

CASES = [
    # Servers.
    Case("terminate a server without our tags", terminate({}), control=("teardown", terminate(OURS))),
    Case("terminate our servers", terminate(OURS), ("register", "promote")),
    Case("launch servers", launch(), NOT_LAUNCHING, control=("provision", launch())),
    Case("launch a server without our tags", launch(tags={}), control=("provision", launch())),
    Case(
        "launch a server whose network interface is without our tags",
        launch(tagged_kinds=MADE[:2]),
        control=("provision", launch()),
    ),
    Case("launch a server whose metadata anybody on it can read (IMDSv1)", launch(tokens="optional"), control=("provision", launch())),
    Case(
        "give a server another role than servers'",
        launch(role=f"arn:aws:iam::{ACCOUNT}:role/admin"),
        control=("provision", launch()),
    ),
    Case(
        "give a server another role than the one that InstanceRoles names",
        launch(role=f"arn:aws:iam::{ACCOUNT}:role/servers/bank"),
        control=("provision", launch()),
        parameters=NARROW,
    ),
    Case("pass the servers' role to anything but a server", only("iam:PassRole", ROLE, **{"iam:PassedToService": "lambda.amazonaws.com"})),
    Case(
        "tag a foreign server as ours",
        tag_server({}, {"pointsman:service": "mobile-web", "pointsman:role": "rejected"}),
        control=("teardown", tag_server(OURS, {"pointsman:role": "rejected"})),
    ),
    Case("tag a foreign server at all", tag_server({}, {"pointsman:role": "rejected"})),
    Case("hand a server of ours to another service", tag_server(OURS, {"pointsman:service": "bank"})),
    Case("put a server of ours into another release", tag_server(OURS, {"pointsman:release": "r9"})),
    Case("write a tag on our server that is none of ours", tag_server(OURS, {"cost-center": "0"})),
    Case("take our tags off a server", only("ec2:DeleteTags", arn("ec2", f"instance/{SERVER}"), **{"aws:ResourceTag/pointsman:service": "mobile-web"})),
    Case("give an elastic IP to a foreign server", address({}), control=("provision", address(OURS))),
    Case(
        "give an elastic IP to the network interface of a foreign server",
        address_of_interface({}),
        control=("provision", address_of_interface(OURS)),
    ),
    Case("take an elastic IP away", only("ec2:DisassociateAddress", arn("ec2", "elastic-ip/eipalloc-01"))),
    Case("stop a server of ours", only("ec2:StopInstances", arn("ec2", f"instance/{SERVER}"), **{"aws:ResourceTag/pointsman:service": "mobile-web"})),
    Case("change a server's user data", only("ec2:ModifyInstanceAttribute", arn("ec2", f"instance/{SERVER}"))),
    Case("open a security group", only("ec2:AuthorizeSecurityGroupIngress", arn("ec2", "security-group/sg-01"))),
    # Rules.
    Case("point another's rule somewhere", on_rule("ModifyRule", {}), control=("promote", on_rule("ModifyRule", PRODUCT))),
    Case(
        "point QA's rule somewhere",
        on_rule("ModifyRule", PRE_PRODUCT),
        ("provision", "promote", "teardown"),
        control=("register", on_rule("ModifyRule", PRE_PRODUCT)),
    ),
    Case("delete another's rule", on_rule("DeleteRule", {}), control=("promote", on_rule("DeleteRule", PRE_PRODUCT))),
    Case(
        "delete the customers' rule",
        on_rule("DeleteRule", PRODUCT),
        ("provision", "register", "promote"),
        control=("teardown", on_rule("DeleteRule", PRODUCT)),
    ),
    Case("make a rule without our tags", make_rule({}), control=("promote", make_rule(PRODUCT))),
    Case("make the customers' rule", make_rule(PRODUCT), ("provision", "register", "teardown"), control=("promote", make_rule(PRODUCT))),
    Case("make QA's rule", make_rule(PRE_PRODUCT), ("provision", "promote", "teardown"), control=("register", make_rule(PRE_PRODUCT))),
    Case("tag another's rule as ours", tag_elb(RULE, {}, PRODUCT)),
    Case("make QA's rule the customers'", tag_elb(RULE, PRE_PRODUCT, {"pointsman:rule": "product"})),
    Case(
        "make a rule on a listener that ListenerArns does not name",
        make_rule(PRODUCT, OTHER_LISTENER),
        control=("promote", make_rule(PRODUCT)),
        parameters=NARROW,
    ),
    Case(
        "move a rule of a listener that ListenerArns does not name",
        move_rule(OTHER_RULE),
        control=("promote", move_rule(RULE)),
        parameters=NARROW,
    ),
    Case(
        "point a rule of ours on a listener that ListenerArns does not name",
        on_rule("ModifyRule", PRODUCT, OTHER_RULE),
        control=("promote", on_rule("ModifyRule", PRODUCT)),
        parameters=NARROW,
    ),
    Case(
        "delete a rule of ours on a listener that ListenerArns does not name",
        on_rule("DeleteRule", PRE_PRODUCT, OTHER_RULE),
        control=("promote", on_rule("DeleteRule", PRE_PRODUCT)),
        parameters=NARROW,
    ),
    Case(
        "tag a rule of ours on a listener that ListenerArns does not name",
        tag_elb(OTHER_RULE, PRODUCT, {"pointsman:since": "0"}),
        control=("promote", tag_elb(RULE, PRODUCT, {"pointsman:since": "0"})),
        parameters=NARROW,
    ),
    Case("change a listener", elb("ModifyListener", {"ListenerArn": LISTENER})),
    Case("delete a load balancer", only("elasticloadbalancing:DeleteLoadBalancer", arn("elasticloadbalancing", "loadbalancer/app/web/0123456789abcdef"))),
    # Target groups.
    Case("delete a foreign target group", on_group("DeleteTargetGroup", {}), control=("teardown", on_group("DeleteTargetGroup", OURS))),
    Case("delete our target groups", on_group("DeleteTargetGroup", OURS), ("provision", "register", "promote")),
    Case("take servers out of a foreign target group", on_group("DeregisterTargets", {}), control=("teardown", on_group("DeregisterTargets", OURS))),
    Case("put servers into a foreign target group", on_group("RegisterTargets", {}), control=("register", on_group("RegisterTargets", OURS))),
    Case("make a target group without our tags", make_group({}), control=("register", make_group(RELEASE))),
    Case("tag a foreign target group as ours", tag_elb(GROUP, {}, OURS), control=("promote", tag_elb(GROUP, OURS, {"pointsman:role": "retired"}))),
    # Names.
    Case("change a record that is no address", record(kind="MX"), control=("promote", record())),
    Case("write over a record (UPSERT)", record(action="UPSERT"), control=("promote", record())),
    Case("change a zone that HostedZoneArns does not name", record(zone="ZBANK"), control=("promote", record()), parameters=NARROW),
    Case("delete a zone", only("route53:DeleteHostedZone", f"arn:aws:route53:::hostedzone/{ZONE}")),
    # Others.
    Case("call one of the four functions", invoke("pointsman-promote"), control=("promote", invoke("pointsman-smoke")), parameters=CHECKS),
    Case("call another function", invoke("bank"), parameters={"CheckFunctionArns": arn("lambda", "function:smoke*")}),
    Case("change a function's code", only("lambda:UpdateFunctionCode", arn("lambda", "function:pointsman-promote"))),
    Case("publish to a foreign topic", publish("bank"), control=("promote", publish("pointsman-mobile"))),
    Case("publish to a topic that NotifyTopicArns does not name", publish("pointsman-bank"), control=("promote", publish("pointsman-mobile")), parameters=NARROW),
    Case("speak on the event bus as somebody else", announce("deployer"), control=("promote", announce("pointsman"))),
    Case("speak on another event bus", announce("pointsman", bus="bank"), control=("promote", announce("pointsman"))),
    Case("read a parameter outside of ParametersPath", parameter("/bank/password"), control=("promote", parameter("/pointsman/services/mobile-web"))),
    Case("read launch parameters", parameter("/pointsman/user-data"), NOT_LAUNCHING, control=("provision", parameter("/pointsman/user-data"))),
    Case("write a parameter", only("ssm:PutParameter", arn("ssm", "parameter/pointsman/services/mobile-web"))),
    Case("run a command on a server", only("ssm:SendCommand", arn("ec2", f"instance/{SERVER}"))),
    Case("write into another table", call("dynamodb", "UpdateItem", {"TableName": "bank", "Key": {"service": {"S": "x"}}})),
    Case("delete a lease", only("dynamodb:DeleteItem", arn("dynamodb", "table/pointsman-leases"))),
    Case("approve a release", only("codepipeline:PutApprovalResult", arn("codepipeline", "mobile-web/Release/ShipIt"))),
    Case("start a pipeline", only("codepipeline:StartPipelineExecution", arn("codepipeline", "mobile-web"))),
    Case("silence an alarm", only("cloudwatch:DisableAlarmActions", arn("cloudwatch", "alarm:mobile-5xx"))),
    Case("write into another function's log", only("logs:PutLogEvents", arn("logs", "log-group:/aws/lambda/bank:log-stream:1"))),
    Case("delete its own log", only("logs:DeleteLogGroup", arn("logs", "log-group:/aws/lambda/pointsman-promote"))),
    Case("take another role", only("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/admin")),
    Case("change a role", only("iam:PutRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/pointsman-promote")),
    Case("decrypt with a key of the account", only("kms:Decrypt", arn("kms", "key/0123"))),
    Case(
        "delete a network interface from its own code, where it stands in subnets",
        only("ec2:DeleteNetworkInterface", arn("ec2", "network-interface/eni-01"), **{"lambda:SourceFunctionArn": arn("lambda", "function:pointsman-promote")}),
        parameters=SUBNETS,
    ),
]
