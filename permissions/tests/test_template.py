"""The template's roles, resolved."""

import pathlib
import unittest

from permissions.decide import Request, decide
from permissions.template import Template, TemplateError

PATH = pathlib.Path(__file__).parents[2] / "template.yaml"
LISTENERS = [f"arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/{name}/01/02" for name in ("web", "api")]

OTHER = LISTENERS[0].replace("/web/", "/bank/")


def resources(template, function, sid):
    role = template.functions()[function]
    return [list(one.resources) for one in template.statements(role) if one.sid == sid]


class Roles(unittest.TestCase):
    def test_each_function_has_one_of_its_own(self):
        functions = Template(PATH).functions()
        self.assertEqual(set(functions), {"provision", "register", "promote", "teardown"})
        self.assertEqual(len(set(functions.values())), 4)

    def test_policies_that_a_parameter_asks_for_are_there_only_then(self):
        self.assertEqual(resources(Template(PATH), "promote", "CallChecks"), [])
        smoke = "arn:aws:lambda:us-east-1:123456789012:function:smoke"
        template = Template(PATH, {"CheckFunctionArns": smoke})
        self.assertEqual(resources(template, "promote", "CallChecks"), [[smoke]])
        self.assertEqual(resources(template, "provision", "CallChecks"), [])

    def test_listeners_that_are_given_narrow_their_rules_too(self):
        template = Template(PATH, {"ListenerArns": ", ".join(LISTENERS)})
        for function in ("register", "promote"):
            self.assertEqual(resources(template, function, "MakeTaggedRules"), [LISTENERS])
            statements = template.statements(template.functions()[function])
            for listener, may in [*((listener, True) for listener in LISTENERS), (OTHER, False)]:
                rule = listener.replace(":listener/", ":listener-rule/") + "/03"
                request = Request("elasticloadbalancing:SetRulePriorities", rule)
                self.assertEqual(decide(statements, request).allowed, may, rule)

    def test_what_is_not_understood_is_an_error(self):
        with self.assertRaises(TemplateError):
            Template(PATH, {"NoSuchParameter": "x"})

        def managed_by_aws(body):
            body["Resources"]["PromoteRole"]["Properties"]["ManagedPolicyArns"].append("arn:aws:iam::aws:policy/AdministratorAccess")

        with self.assertRaises(TemplateError):
            list(Template(PATH, edit=managed_by_aws).statements("PromoteRole"))


class Parameters(unittest.TestCase):
    """What people may answer: each by a list or a pattern, which takes its default and what its description shows."""

    def taken(self, name, value):
        try:
            Template(PATH, {name: value})
        except TemplateError:
            return False
        return True

    def test_each_default_fits(self):
        for name, parameter in Template(PATH).body["Parameters"].items():
            if "AllowedPattern" in parameter:
                self.assertTrue(self.taken(name, parameter["Default"]), name)

    def test_what_is_right_is_taken_and_what_cannot_be_right_is_not(self):
        arn = "arn:aws:{}:eu-central-1:123456789012:{}".format
        key = arn("kms", "key/mrk-0123")
        for name, right, wrong in (
            ("ListenerArns", [LISTENERS[0], ",".join(LISTENERS)], ["*", arn("elasticloadbalancing", "listener/app/*"), f"{LISTENERS[0]}/03"]),
            ("HostedZoneArns", ["arn:aws:route53:::hostedzone/Z0123456789"], ["*", "Z0123456789", "arn:aws:route53:::hostedzone/*"]),
            ("VolumeKeyArns", [key, f"{key}, {key}"], ["*", arn("kms", "alias/volumes"), arn("kms", "key/*")]),
            ("ParameterKeyArns", [key], ["*", "alias/aws/ssm"]),
            ("NotifyTopicArns", [arn("sns", "mobile"), arn("sns", "mobile-*")], ["*", arn("sns", "*"), "mobile"]),
            (
                "CheckFunctionArns",
                [arn("lambda", "function:smoke"), arn("lambda", "function:smoke-*"), arn("lambda", "function:smoke:live")],
                ["*", arn("lambda", "*"), arn("lambda", "function:*"), arn("lambda", "function:*:live"), "smoke"],
            ),
            ("CheckSubnetIds", ["subnet-0123456789abcdef0", "subnet-0a, subnet-0c"], ["*", "vpc-0a"]),
            ("CheckSecurityGroupIds", ["sg-0a"], ["*", "default"]),
            ("InstanceRoles", ["servers/*", "mobile-web", "mobile-*", "a/b/*"], ["*", "**", "*/mobile", "/servers/*", "role/"]),
        ):
            for value in right:
                self.assertTrue(self.taken(name, value), f"{name}={value}")
            for value in wrong:
                self.assertFalse(self.taken(name, value), f"{name}={value}")
