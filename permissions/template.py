"""The roles of a CloudFormation template: who may do what, with every name resolved."""

import copy
import re
from dataclasses import dataclass, field
from functools import cache

from cfnlint.decode import cfn_yaml

REGION = "us-east-1"
ACCOUNT = "123456789012"
PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackName": "pointsman",
    "AWS::URLSuffix": "amazonaws.com",
}
NO_VALUE = object()
# The properties that are a resource's own policy.
OWN_POLICIES = ("PolicyDocument", "KeyPolicy", "AssumeRolePolicyDocument")
# What makes the name of a resource, and the ARN that CloudFormation gives for it.
NAMED = {
    "AWS::DynamoDB::Table": ("TableName", "dynamodb", "table/"),
    "AWS::Logs::LogGroup": ("LogGroupName", "logs", "log-group:"),
    "AWS::SNS::Topic": ("TopicName", "sns", ""),
    "AWS::SQS::Queue": ("QueueName", "sqs", ""),
    "AWS::Serverless::Function": ("FunctionName", "lambda", "function:"),
}


@cache
def _read(path):
    return cfn_yaml.load(path)


class TemplateError(Exception):
    """The template says something that nobody here understands."""


@dataclass(frozen=True)
class Statement:
    """One statement of a policy."""

    policy: str
    sid: str
    effect: str
    actions: tuple
    resources: tuple
    conditions: dict = field(hash=False)
    # What a denial spares, in place of what it is about.
    not_resources: tuple = ()
    # In a resource's own policy: whom it is about, as (kind, name).
    principals: tuple = ()


class Template:
    """A template, with values for its parameters."""

    def __init__(self, path, parameters=None, edit=None):
        self.body = _read(str(path))
        if edit:
            self.body = copy.deepcopy(self.body)
            edit(self.body)
        self.resources = self.body["Resources"]
        self.parameters = dict(parameters or {})
        self._check()

    def _check(self):
        unknown = set(self.parameters) - set(self.body["Parameters"])
        if unknown:
            raise TemplateError(f"the template has no parameter {', '.join(sorted(unknown))}")
        for name, value in self.parameters.items():
            pattern = self.body["Parameters"][name].get("AllowedPattern", ".*")
            for one in many(self.reference(name)):
                if not re.fullmatch(pattern, one):
                    raise TemplateError(f"the parameter {name} takes no {one}: {pattern}")

    def with_parameters(self, parameters):
        """The same template with other values for some parameters."""
        if not parameters:
            return self
        other = copy.copy(self)
        other.parameters = self.parameters | parameters
        other._check()
        return other

    def functions(self):
        """The functions by the last part of their names, with the logical ids of their roles."""
        found = {}
        for logical_id, resource in self.resources.items():
            if resource["Type"] == "AWS::Serverless::Function":
                name = self.resolve(resource["Properties"]["FunctionName"]).rsplit("-", 1)[-1]
                role = resource["Properties"]["Role"]["Fn::GetAtt"]
                found[name] = role[0] if isinstance(role, list) else role.split(".")[0]
        return found

    def statements(self, role):
        """The statements of a role: of its inline policies, and of the managed ones that it names."""
        properties = self.resources[role]["Properties"]
        found = []
        for policy in self.resolve_list(properties.get("Policies", []), keep=True):
            found += self._statements(policy["PolicyName"], policy["PolicyDocument"])
        for attached in self.resolve_list(properties.get("ManagedPolicyArns", []), keep=True):
            name = attached.get("Ref") if isinstance(attached, dict) else None
            if name not in self.resources:
                raise TemplateError(f"{role} has the policy {attached}, which is not in the template: nobody here can read it")
            found += self._statements(name, self.resources[name]["Properties"]["PolicyDocument"])
        return found

    def own_statements(self, logical_id):
        """The statements of a resource's own policy: who may use it."""
        properties = self.resources[logical_id]["Properties"]
        (document,) = [properties[name] for name in OWN_POLICIES if name in properties]
        return list(self._statements(logical_id, document))

    def _statements(self, policy, document):
        for statement in self.resolve_list(document["Statement"], keep=True):
            strange = set(statement) - {"Sid", "Effect", "Action", "Resource", "NotResource", "Condition", "Principal"}
            if statement["Effect"] != "Deny":
                strange |= {"NotResource"} & set(statement)
            if strange:
                raise TemplateError(f"{policy}: {', '.join(sorted(strange))} is not understood here")
            yield Statement(
                policy=policy,
                sid=statement.get("Sid", "without a Sid"),
                effect=statement["Effect"],
                actions=tuple(many(self.resolve(statement["Action"]))),
                resources=tuple(many(self.resolve(statement.get("Resource", [])))),
                conditions=self.resolve(statement.get("Condition", {})),
                not_resources=tuple(many(self.resolve(statement.get("NotResource", [])))),
                principals=tuple(principals(self.resolve(statement.get("Principal", {})))),
            )

    def exists(self, resource):
        """Whether a resource's condition holds."""
        return "Condition" not in resource or self.condition(resource["Condition"])

    def condition(self, name):
        return self.truth(self.body["Conditions"][name])

    def truth(self, value):
        (function, argument), = value.items()
        if function == "Fn::Equals":
            return self.resolve(argument[0]) == self.resolve(argument[1])
        if function == "Fn::Not":
            return not self.truth(argument[0])
        if function == "Fn::And":
            return all(self.truth(one) for one in argument)
        if function == "Fn::Or":
            return any(self.truth(one) for one in argument)
        if function == "Condition":
            return self.condition(argument)
        raise TemplateError(f"{function} is no condition that is understood here")

    def resolve_list(self, items, keep=False):
        """The items that are there; `keep` leaves what is in them as it is written."""
        for item in items:
            if isinstance(item, dict) and set(item) == {"Fn::If"}:
                name, then, otherwise = item["Fn::If"]
                item = then if self.condition(name) else otherwise
                if item == {"Ref": "AWS::NoValue"}:
                    continue
            value = item if keep else self.resolve(item)
            if value is not NO_VALUE:
                yield value

    def resolve(self, value):
        """A value with every intrinsic function carried out."""
        if isinstance(value, list):
            return list(self.resolve_list(value))
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (function, argument), = value.items()
            if function == "Ref":
                return self.reference(argument)
            if function == "Fn::GetAtt":
                return self.attribute(*(argument if isinstance(argument, list) else argument.split(".", 1)))
            if function == "Fn::Sub":
                return self.substitute(argument)
            if function == "Fn::Join":
                return self.resolve(argument[0]).join(self.resolve(argument[1]))
            if function == "Fn::Split":
                return self.resolve(argument[1]).split(self.resolve(argument[0]))
            if function == "Fn::If":
                return self.resolve(argument[1] if self.condition(argument[0]) else argument[2])
            if function.startswith("Fn::"):
                raise TemplateError(f"{function} is not understood here")
        resolved = {key: self.resolve(member) for key, member in value.items()}
        return {key: member for key, member in resolved.items() if member is not NO_VALUE}

    def reference(self, name):
        if name == "AWS::NoValue":
            return NO_VALUE
        if name in PSEUDO:
            return PSEUDO[name]
        if name in self.body["Parameters"]:
            parameter = self.body["Parameters"][name]
            value = self.parameters.get(name, parameter.get("Default"))
            if value is None:
                raise TemplateError(f"the parameter {name} has no default: give it a value")
            is_list = parameter["Type"] == "CommaDelimitedList"
            return [one.strip() for one in value.split(",")] if is_list else value
        kind = self.resources[name]["Type"]
        if kind == "AWS::SNS::Topic":
            return self.attribute(name, "Arn")
        if kind in NAMED:
            return self.resolve(self.resources[name]["Properties"][NAMED[kind][0]])
        raise TemplateError(f"what Ref gives for {name} ({kind}) is not known here")

    def attribute(self, name, attribute):
        kind = self.resources[name]["Type"]
        properties = self.resources[name]["Properties"]
        if kind in NAMED and attribute in ("Arn", "TopicArn"):
            prop, service, prefix = NAMED[kind]
            suffix = ":*" if service == "logs" else ""
            return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{prefix}{self.resolve(properties[prop])}{suffix}"
        if kind in NAMED and attribute == NAMED[kind][0]:
            return self.resolve(properties[attribute])
        if kind == "AWS::KMS::Key":
            return f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{name}"
        if kind == "AWS::IAM::Role" and attribute == "Arn":
            return f"arn:aws:iam::{ACCOUNT}:role/pointsman-{name}"
        raise TemplateError(f"what Fn::GetAtt gives for {name}.{attribute} ({kind}) is not known here")

    def substitute(self, argument):
        text, names = argument if isinstance(argument, list) else (argument, {})

        def value(match):
            name = match.group(1)
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            if name in names:
                found = self.resolve(names[name])
            elif "." in name:
                found = self.attribute(*name.split(".", 1))
            else:
                found = self.reference(name)
            if not isinstance(found, str):
                raise TemplateError(f"${{{name}}} is a list, which Fn::Sub does not take")
            return found

        return re.sub(r"\$\{([^}]+)\}", value, text)


def principals(written):
    """The principals of a statement, as (kind, name)."""
    kinds = written if isinstance(written, dict) else {"AWS": written}
    return [(kind, name) for kind, names in kinds.items() for name in many(names)]


def many(value):
    """One or several, as a list."""
    return value if isinstance(value, list) else [value]
