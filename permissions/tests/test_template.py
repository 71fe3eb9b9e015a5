"""The template's roles, resolved."""

import pathlib
import unittest

from permissions.template import Template, TemplateError

PATH = pathlib.Path(__file__).parents[2] / "template.yaml"
LISTENERS = [f"arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/{name}/01/02" for name in ("web", "api")]


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
            rules = [listener.replace(":listener/", ":listener-rule/") + "/*" for listener in LISTENERS]
            self.assertEqual(resources(template, function, "MoveRules"), [rules])

    def test_what_is_not_understood_is_an_error(self):
        with self.assertRaises(TemplateError):
            Template(PATH, {"NoSuchParameter": "x"})

        def managed_by_aws(body):
            body["Resources"]["PromoteRole"]["Properties"]["ManagedPolicyArns"].append("arn:aws:iam::aws:policy/AdministratorAccess")

        with self.assertRaises(TemplateError):
            list(Template(PATH, edit=managed_by_aws).statements("PromoteRole"))
