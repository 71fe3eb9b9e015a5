"""The judge: the template passes with a sample of the functions' calls, and roles that are too narrow or too wide do not."""

import json
import unittest

from permissions import __main__ as permissions
from permissions.calls import UnknownCall, requests_of
from permissions.template import Template

CALLS = [json.loads(line) for line in permissions.SAMPLE.read_text().splitlines()]
PATH = permissions.ROOT / "template.yaml"


def faults(edit=None, calls=CALLS):
    return permissions.judge_all(Template(PATH, edit=edit), calls).faults


def statement(body, resource, sid):
    properties = body["Resources"][resource]["Properties"]
    documents = [properties[name] for name in ("PolicyDocument", "KeyPolicy") if name in properties]
    documents += [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
    statements = [one for document in documents for one in document["Statement"]]
    statements = [one["Fn::If"][1] if "Fn::If" in one else one for one in statements]
    (found,) = [one for one in statements if one.get("Sid") == sid]
    return found


class Judge(unittest.TestCase):
    def has_fault(self, edit, *words):
        found = faults(edit)
        self.assertTrue(any(all(word in fault for word in words) for fault in found), found)

    def test_the_template_passes(self):
        self.assertEqual(faults(), [])

    # Too narrow.

    def test_an_action_that_is_missing(self):
        def edit(body):
            statement(body, "TeardownRole", "EmptyAndDeleteOurGroups")["Action"].remove("elasticloadbalancing:DeleteTargetGroup")

        self.has_fault(edit, "teardown is denied elasticloadbalancing:DeleteTargetGroup")

    def test_a_resource_that_is_missing(self):
        def edit(body):
            statement(body, "ProvisionRole", "LaunchFrom")["Resource"].pop()

        self.has_fault(edit, "provision is denied ec2:RunInstances", "key-pair")

    def test_a_condition_that_no_call_meets(self):
        def edit(body):
            statement(body, "CommonPolicy", "PointProductRules")["Condition"]["StringEquals"] = {"aws:ResourceTag/team": "bank"}

        self.has_fault(edit, "promote is denied elasticloadbalancing:ModifyRule")

    def test_the_tags_that_a_launch_gives_along_need_a_right_of_their_own(self):
        def edit(body):
            statements = body["Resources"]["ProvisionRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
            statements.remove(statement(body, "ProvisionRole", "TagAtLaunch"))

        self.has_fault(edit, "provision is denied ec2:CreateTags", "CreateAction".lower())

    def test_a_role_that_may_not_be_passed(self):
        def edit(body):
            statement(body, "ProvisionRole", "GiveServersTheirRole")["Resource"] = "arn:aws:iam::123456789012:role/servers/bank"

        self.has_fault(edit, "provision is denied iam:PassRole")

    def test_what_aws_asks_for_beside_a_call(self):
        def edit(body):
            statement(body, "RegisterRole", "LookAtNetworks")["Action"].remove("ec2:DescribeVpcs")

        self.has_fault(edit, "register is denied ec2:DescribeVpcs")

    def test_what_lambda_itself_does(self):
        def edit(body):
            statement(body, "CheckSubnetsRights", "StandInSubnets")["Action"].remove("ec2:CreateNetworkInterface")

        self.has_fault(edit, "AWS is denied ec2:CreateNetworkInterface", "with the role of promote")

    def test_narrow_parameters_that_deny_what_they_name(self):
        def edit(body):
            statement(body, "ListenersRights", "OnlyTheseListeners")["NotResource"] = {"Ref": "ListenerArns"}

        self.has_fault(edit, "with all narrowed: promote is denied elasticloadbalancing:ModifyRule", "OnlyTheseListeners denies it")

    def test_a_right_that_a_function_does_not_wait_for(self):
        def edit(body):
            policy = body["Resources"]["TracingRights"]
            policy["Type"] = "AWS::IAM::Policy"
            policy["Properties"]["Roles"] = [{"Ref": "PromoteRole"}]

        self.has_fault(edit, "TracingRights names a function's role")

    # Too wide.

    def test_an_action_that_no_call_uses(self):
        def edit(body):
            statement(body, "TeardownRole", "TerminateOurServers")["Action"] = ["ec2:TerminateInstances", "ec2:StopInstances"]

        self.has_fault(edit, "teardown may ec2:StopInstances", "no call used it")
        self.has_fault(edit, "teardown is allowed to stop a server of ours")

    def test_a_resource_that_no_call_uses(self):
        def edit(body):
            statement(body, "CommonPolicy", "TagOurServers")["Resource"] = [
                statement(body, "CommonPolicy", "TagOurServers")["Resource"],
                "arn:aws:ec2:us-east-1:123456789012:volume/*",
            ]

        self.has_fault(edit, "promote may ec2:CreateTags on", "volume", "no call used it")

    def test_a_condition_that_was_left_out(self):
        def edit(body):
            del statement(body, "TeardownRole", "TerminateOurServers")["Condition"]

        self.has_fault(edit, "teardown is allowed to terminate a server without our tags")

    def test_tags_that_any_call_may_write(self):
        def edit(body):
            del statement(body, "CommonPolicy", "TagOurServers")["Condition"]["Null"]["aws:RequestTag/pointsman:service"]

        self.has_fault(edit, "promote is allowed to hand a server of ours to another service")

    def test_a_value_of_a_condition_that_no_call_uses(self):
        def edit(body):
            statement(body, "TeardownRole", "DeleteProductRules")["Condition"]["StringEquals"] = {
                "aws:ResourceTag/pointsman:rule": ["product", "spare"]
            }

        self.has_fault(edit, "teardown may where aws:ResourceTag/pointsman:rule is spare", "no call used it")

    def test_an_interface_of_anybody(self):
        def edit(body):
            found = statement(body, "ProvisionRole", "GiveAddresses")
            found["Resource"] = [found["Resource"], "arn:aws:ec2:us-east-1:123456789012:network-interface/*"]

        self.has_fault(edit, "provision is allowed to give an elastic IP to the network interface of a foreign server")

    def test_rules_of_listeners_that_are_not_named(self):
        def edit(body):
            statement(body, "ListenersRights", "OnlyTheseListeners")["Action"].remove("elasticloadbalancing:DeleteRule")

        self.has_fault(edit, "promote is allowed to delete a rule of ours on a listener that ListenerArns does not name")

    def test_everything_where_aws_knows_a_resource(self):
        def edit(body):
            statement(body, "CommonPolicy", "HoldTheLease")["Resource"] = "*"

        self.has_fault(edit, "dynamodb:UpdateItem knows resources")

    def test_any_action_of_a_service(self):
        def edit(body):
            statement(body, "CommonPolicy", "Look")["Action"].append("ec2:Describe*")

        self.has_fault(edit, "ec2:Describe* stands for more than one action")

    def test_anybody_who_may_call_a_function(self):
        def edit(body):
            body["Resources"]["PromoteFunction"]["Properties"]["FunctionUrlConfig"] = {"AuthType": "NONE"}
            body["Resources"]["Open"] = {"Type": "AWS::Lambda::Permission", "Properties": {"Principal": "*"}}

        self.has_fault(edit, "PromoteFunction has a URL")
        self.has_fault(edit, "Open lets somebody call a function")

    # Others.

    def test_an_alarm_that_may_not_tell(self):
        def edit(body):
            statement(body, "NotifyTopicPolicy", "TellByAlarms")["Principal"] = {"Service": "cloudfront.amazonaws.com"}

        self.has_fault(edit, "an alarm of the account tells: denied by NotifyTopicPolicy")

    def test_a_topic_that_is_open_to_all(self):
        def edit(body):
            statement(body, "NotifyTopicPolicy", "TellByAlarms").update({"Principal": "*", "Condition": {}})

        self.has_fault(edit, "another account tells: allowed by NotifyTopicPolicy")

    def test_a_key_that_anybody_may_use(self):
        def edit(body):
            statement(body, "NotifyKey", "TellByFunctions")["Condition"]["StringEquals"].pop("kms:CallerAccount")

        self.has_fault(edit, "a publisher of another account uses the key: allowed by NotifyKey")

    def test_a_role_that_others_may_take(self):
        def edit(body):
            role = body["Resources"]["PromoteRole"]["Properties"]
            role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] = {"AWS": "210987654321"}

        self.has_fault(edit, "PromoteRole may be taken by somebody else than Lambda")

    def test_a_policy_that_nobody_judges(self):
        def edit(body):
            body["Resources"]["Open"] = {
                "Type": "AWS::SQS::QueuePolicy",
                "Properties": {"PolicyDocument": {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:*"}]}},
            }

        self.has_fault(edit, "Open says who may use it, and nobody here judges that")

    # What AWS would not understand as it is meant.

    def test_a_condition_that_aws_does_not_tell(self):
        def edit(body):
            statement(body, "PromoteRole", "MoveRules")["Condition"] = {"Null": {"aws:ResourceTag/pointsman:service": "false"}}

        self.has_fault(edit, "AWS does not tell aws:ResourceTag/pointsman:service", "SetRulePriorities")

    def test_a_condition_on_several_values_that_is_written_for_one(self):
        def edit(body):
            statement(body, "CommonPolicy", "Announce")["Condition"] = {"StringEquals": {"events:source": "pointsman"}}

        self.has_fault(edit, "events:source has several values")

    def test_a_resource_of_another_kind(self):
        def edit(body):
            statement(body, "TeardownRole", "TerminateOurServers")["Resource"] = "arn:aws:ec2:us-east-1:123456789012:volume/*"

        self.has_fault(edit, "none of ec2:TerminateInstances knows a resource like")


class Calls(unittest.TestCase):
    def test_a_call_that_nobody_knows_is_an_error(self):
        with self.assertRaises(UnknownCall):
            requests_of({"service": "s3", "action": "PutObject", "region": "us-east-1"})

    def test_a_launch_is_decided_about_all_that_it_touches(self):
        launch = next(call for call in CALLS if call["action"] == "RunInstances")
        asked = {(request.action, request.type()) for request in requests_of(launch)}
        made = ("instance", "volume", "network-interface")
        kinds = (*made, "image", "snapshot", "subnet", "security-group", "key-pair")
        self.assertLessEqual({("ec2:RunInstances", kind) for kind in kinds}, asked)
        self.assertLessEqual({("ec2:CreateTags", kind) for kind in made} | {("iam:PassRole", "role")}, asked)


class Pipelines(unittest.TestCase):
    def test_the_examples_pipelines_may_call_the_four_and_do_nothing_else_of_lambdas(self):
        for example in ("mobile-web", "docker-stages"):
            with self.subTest(example):
                self.calls_the_four(Template(permissions.ROOT / "examples" / example / "pipeline.yaml"))

    def calls_the_four(self, template):
        found = []
        for policy in template.resources["PipelineRole"]["Properties"]["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
                if any(action == "*" or action.startswith("lambda:") for action in actions):
                    found.append((actions, template.resolve(statement["Resource"])))
        names = ("provision", "register", "promote", "teardown")
        arns = [f"arn:aws:lambda:us-east-1:123456789012:function:pointsman-{name}" for name in names]
        self.assertEqual(found, [(["lambda:InvokeFunction"], arns)])
