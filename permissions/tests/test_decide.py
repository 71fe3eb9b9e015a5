"""IAM's decision, rule by rule."""

import unittest

from permissions.decide import NotUnderstood, Request, decide, holds, matches
from permissions.template import Statement

SERVER = "arn:aws:ec2:us-east-1:123456789012:instance/i-01"


def statement(effect="Allow", actions=("ec2:TerminateInstances",), resources=("*",), conditions=None):
    return Statement("policy", "Sid", effect, tuple(actions), tuple(resources), conditions or {})


def terminate(**tags):
    return Request("ec2:TerminateInstances", SERVER, {f"aws:ResourceTag/{key}": value for key, value in tags.items()})


class Decide(unittest.TestCase):
    def test_nothing_is_allowed_unless_a_statement_says_so(self):
        self.assertFalse(decide([], terminate()).allowed)
        self.assertFalse(decide([statement(actions=["ec2:StopInstances"])], terminate()).allowed)
        self.assertTrue(decide([statement()], terminate()).allowed)

    def test_a_denial_goes_before_everything(self):
        self.assertFalse(decide([statement(), statement(effect="Deny")], terminate()).allowed)

    def test_actions_are_compared_without_case_and_resources_with_it(self):
        self.assertTrue(decide([statement(actions=["EC2:Terminate*"])], terminate()).allowed)
        self.assertFalse(decide([statement(resources=[SERVER.upper()])], terminate()).allowed)

    def test_a_condition_on_a_tag_asks_for_the_tag(self):
        tagged = statement(conditions={"Null": {"aws:ResourceTag/a:b": "false"}})
        self.assertFalse(decide([tagged], terminate()).allowed)
        self.assertTrue(decide([tagged], terminate(**{"a:b": "1"})).allowed)

    def test_all_lines_of_a_condition_have_to_hold(self):
        both = statement(conditions={"StringEquals": {"aws:ResourceTag/a": "1", "aws:ResourceTag/b": ["2", "3"]}})
        self.assertFalse(decide([both], terminate(a="1")).allowed)
        self.assertFalse(decide([both], terminate(a="1", b="4")).allowed)
        self.assertTrue(decide([both], terminate(a="1", b="3")).allowed)

    def test_aws_tells_only_the_keys_that_its_reference_lists(self):
        priorities = Request(
            "elasticloadbalancing:SetRulePriorities",
            "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/web/0/1/2",
            {"aws:ResourceTag/pointsman:service": "mobile-web"},
        )
        self.assertEqual(priorities.context, {})

    def test_what_knows_no_such_resource_is_an_error(self):
        for action, resource in (("ec2:DescribeInstances", SERVER), ("ec2:TerminateInstances", "arn:aws:sns:us-east-1:1:x")):
            with self.assertRaises(NotUnderstood):
                Request(action, resource)


class Operators(unittest.TestCase):
    def test_each(self):
        for operator, wanted, values, held in (
            ("StringEquals", ["a"], ["a"], True),
            ("StringEquals", ["a"], ["A"], False),
            ("StringEquals", ["a"], None, False),
            ("StringEquals", ["a*"], ["ab"], False),
            ("StringNotEquals", ["a"], ["b"], True),
            ("StringNotEquals", ["a"], None, True),
            ("StringNotEquals", ["a", "b"], ["b"], False),
            ("StringLike", ["a*", "x"], ["ab"], True),
            ("StringLikeIfExists", ["a*"], None, True),
            ("ArnLike", ["arn:aws:sns:*:*:x"], ["arn:aws:sns:a:b:x"], True),
            ("Bool", [True], ["true"], True),
            ("Bool", ["true"], ["false"], False),
            ("Null", ["true"], None, True),
            ("Null", ["false"], None, False),
            ("Null", ["false"], ["a"], True),
            ("ForAllValues:StringEquals", ["A", "B"], ["A", "A"], True),
            ("ForAllValues:StringEquals", ["A"], ["A", "MX"], False),
            ("ForAllValues:StringEquals", ["A"], None, True),
            ("ForAnyValue:StringEquals", ["A"], ["A", "MX"], True),
            ("ForAnyValue:StringEquals", ["A"], None, False),
        ):
            with self.subTest(operator=operator, wanted=wanted, values=values):
                self.assertEqual(holds(operator, "key", wanted, values), held)

    def test_what_is_not_known_is_an_error_and_no_answer(self):
        with self.assertRaises(NotUnderstood):
            holds("NumericLessThan", "key", ["1"], ["0"])
        with self.assertRaises(NotUnderstood):
            holds("StringEquals", "aws:TagKeys", ["a"], ["a", "b"])
        with self.assertRaises(NotUnderstood):
            matches("${aws:username}/*", "a/b")

    def test_wildcards(self):
        for pattern, text, fits in (("*", "", True), ("a?c", "abc", True), ("a?c", "ac", False), ("a.c", "abc", False)):
            with self.subTest(pattern=pattern, text=text):
                self.assertEqual(matches(pattern, text), fits)
