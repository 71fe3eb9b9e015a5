"""Who else may use what is the stack's: the policies of the topics and of the key, and who may take the functions' roles.

A short list of who may and who may not, decided by each policy alone. That IAM allows something beside, in the account, is the
account's own.
"""

from dataclasses import dataclass, field

from .decide import Request, decide
from .template import ACCOUNT, REGION

OTHER_ACCOUNT = "210987654321"
ALARMS, EVENTS, STORAGE = (("Service", f"{name}.amazonaws.com") for name in ("cloudwatch", "events", "s3"))
OURS, THEIRS = (("AWS", f"arn:aws:iam::{account}:role/somebody") for account in (ACCOUNT, OTHER_ACCOUNT))
ADMINISTRATOR = ("AWS", f"arn:aws:iam::{ACCOUNT}:root")
LAMBDA = ("Service", "lambda.amazonaws.com")

HERE, ELSEWHERE = ({"aws:SourceAccount": account} for account in (ACCOUNT, OTHER_ACCOUNT))


def by_sns(account):
    return {"kms:CallerAccount": account, "kms:ViaService": f"sns.{REGION}.amazonaws.com"}


@dataclass
class Case:
    """Somebody who tries something: in words, by which policy, who, with which action, and whether he may."""

    title: str
    policy: str
    principal: tuple
    action: str
    may: bool
    context: dict = field(default_factory=dict)
    parameters: dict = field(default_factory=dict)


NONE, CHAT, MAIL = ({"PipelineSteps": steps} for steps in ("none", "chat", "mail"))
TELL, USE = "sns:Publish", "kms:GenerateDataKey"
CASES = [
    Case("an alarm of the account tells", "NotifyTopicPolicy", ALARMS, TELL, True, HERE),
    Case("an alarm of another account tells", "NotifyTopicPolicy", ALARMS, TELL, False, ELSEWHERE),
    Case("an event tells, where no steps are told", "NotifyTopicPolicy", EVENTS, TELL, False, parameters=NONE),
    Case("an event tells, where steps are told in chat alone", "NotifyTopicPolicy", EVENTS, TELL, False, parameters=CHAT),
    Case("an event tells, where steps are told by mail", "NotifyTopicPolicy", EVENTS, TELL, True, parameters=MAIL),
    Case("another service tells", "NotifyTopicPolicy", STORAGE, TELL, False, HERE),
    Case("another account tells", "NotifyTopicPolicy", THEIRS, TELL, False),
    Case("an event tells a step in chat", "StepsTopicPolicy", EVENTS, TELL, True, parameters=CHAT),
    Case("an alarm tells in the steps' chat", "StepsTopicPolicy", ALARMS, TELL, False, HERE, CHAT),
    Case("another account tells in the steps' chat", "StepsTopicPolicy", THEIRS, TELL, False, parameters=CHAT),
    Case("an alarm of the account uses the key", "NotifyKey", ALARMS, USE, True, HERE),
    Case("an alarm of another account uses the key", "NotifyKey", ALARMS, USE, False, ELSEWHERE),
    Case("an event uses the key, where no steps are told", "NotifyKey", EVENTS, USE, False, parameters=NONE),
    Case("an event uses the key, where steps are told in chat", "NotifyKey", EVENTS, USE, True, parameters=CHAT),
    Case("an event uses the key, where steps are told by mail", "NotifyKey", EVENTS, USE, True, parameters=MAIL),
    Case("another service uses the key", "NotifyKey", STORAGE, USE, False, HERE),
    Case("a publisher of the account uses the key", "NotifyKey", OURS, USE, True, by_sns(ACCOUNT)),
    Case("somebody of the account uses the key for himself", "NotifyKey", OURS, USE, False, {"kms:CallerAccount": ACCOUNT}),
    Case("a publisher of another account uses the key", "NotifyKey", THEIRS, USE, False, by_sns(OTHER_ACCOUNT)),
    Case("the account's administrators change the key", "NotifyKey", ADMINISTRATOR, "kms:PutKeyPolicy", True),
    Case("another account changes the key", "NotifyKey", THEIRS, "kms:PutKeyPolicy", False),
]
# What each policy is decided about.
ABOUT = {
    "NotifyTopicPolicy": ("NotifyTopic", "Arn"),
    "StepsTopicPolicy": ("StepsTopic", "Arn"),
    "NotifyKey": ("NotifyKey", "Arn"),
}


def judge(template, judged):
    """Whoever should may, nobody else does, and no policy is left out."""
    for case in CASES:
        mine = template.with_parameters(case.parameters)
        request = Request(case.action, mine.attribute(*ABOUT[case.policy]), case.context)
        judged.requests += 1
        about_him = [one for one in mine.own_statements(case.policy) if names(one, case.principal)]
        if decide(about_him, request).allowed != case.may:
            judged.faults.append(f"{case.title}: {'denied' if case.may else 'allowed'} by {case.policy}")
    roles = set(template.functions().values())
    for role in sorted(roles):
        if {who for one in template.own_statements(role) for who in one.principals} != {LAMBDA}:
            judged.faults.append(f"{role} may be taken by somebody else than Lambda")
    for logical_id, resource in template.resources.items():
        if logical_id not in ABOUT and logical_id not in roles and mentions(resource.get("Properties"), "Principal"):
            judged.faults.append(f"{logical_id} says who may use it, and nobody here judges that: add it to permissions/outsiders.py")


def names(statement, principal):
    """Whether a statement is about somebody. Here `*` is everybody, of any account, and a service too."""
    return any(name == "*" or (kind, name) == principal for kind, name in statement.principals)


def mentions(value, key):
    """Whether a key is anywhere in a value."""
    if isinstance(value, dict):
        return key in value or any(mentions(member, key) for member in value.values())
    return isinstance(value, list) and any(mentions(member, key) for member in value)
