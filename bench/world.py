"""The account that a record is made in: a simulator with a load balancer, and a service with two releases."""

import asyncio
import functools
import hashlib
import json
import os
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

import boto3
from botocore.config import Config

from function import Function

SERVICE = "mobile-web"
INSTANCES = 2
CALLS_LIMIT = 60  # of one function until it is done


@functools.cache  # making one takes longer than a call
def client(name, url):
    return boto3.client(
        name,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="BENCH",
        aws_secret_access_key="bench",
        config=Config(retries={"max_attempts": 1}),
    )


class World:
    """A simulator process of its own, and what stands in it."""

    def __init__(self):
        # The gateway mends where the simulator is not as AWS; its targets are healthy at once.
        self.process = subprocess.Popen(
            ["cargo", "run", "--quiet", "--locked", "-p", "gateway", "--example", "serve", "--", "--healthy"],
            env={**os.environ, "POINTSMAN_VENV": str(Path(sys.executable).parent.parent)},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            self.url = self.process.stdout.readline().strip()
            if not self.url:
                sys.exit("the gateway did not start")
            self.address = self.url.removeprefix("http://")
            self.make_account()
        except BaseException:
            self.stop()
            raise

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def make_account(self):
        ec2, elbv2 = client("ec2", self.url), client("elbv2", self.url)
        self.vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.subnets = [
            ec2.create_subnet(VpcId=self.vpc, CidrBlock=f"10.0.{n * 16}.0/20", AvailabilityZone=f"us-east-1{zone}")["Subnet"]["SubnetId"]
            for n, zone in enumerate("ab")
        ]
        self.group = ec2.create_security_group(GroupName="web", Description="web", VpcId=self.vpc)["GroupId"]
        self.ami = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
        self.listener = self.make_listener(elbv2, "web")
        zone = client("route53", self.url).create_hosted_zone(
            Name="corp.internal.", CallerReference="bench", VPC={"VPCRegion": "us-east-1", "VPCId": self.vpc}
        )
        topic = client("sns", self.url).create_topic(Name="pointsman-notifications")["TopicArn"]
        client("dynamodb", self.url).create_table(
            TableName="pointsman-leases",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "service", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "service", "KeyType": "HASH"}],
        )
        self.config = {
            "subnets": self.subnets,
            "ami": self.ami,
            "instance_type": "t3.small",
            "instance_count": INSTANCES,
            "security_groups": [self.group],
            "ready_when": "running",
            "listener_arn": self.listener,
            "port": 8080,
            "health_check": {"path": "/health"},
            "product": {"priority": 20, "hosts": ["m.example.com"]},
            "pre_product": {"priority": 10, "hosts": ["pre.m.example.com"], "source_ips": ["10.0.0.0/8"]},
            "dns": {
                "zone_id": zone["HostedZone"]["Id"].rpartition("/")[2],
                "product": "mobile.corp.internal",
                "pre_product": "pre-mobile.corp.internal",
            },
            "tags": {"team": "mobile"},
        }
        self.environment = {
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_SECRET_ACCESS_KEY": "bench",
            "NOTIFY_TOPIC_ARN": topic,
            "LEASE_TABLE": "pointsman-leases",
            "SERVICE_MOBILE_WEB": json.dumps(self.config),
        }

    def make_listener(self, elbv2, name):
        balancer = elbv2.create_load_balancer(Name=name, Subnets=self.subnets, SecurityGroups=[self.group], Type="application")
        return elbv2.create_listener(
            LoadBalancerArn=balancer["LoadBalancers"][0]["LoadBalancerArn"],
            Protocol="HTTP",
            Port=80,
            DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}],
        )["Listeners"][0]["ListenerArn"]

    async def releases_by_functions(self, folder, endpoint):
        """r1 is product and r2 pre-product, made by the functions in the folder themselves."""
        for function, release in (
            ("provision", "r1"),
            ("register", "r1"),
            ("promote", "r1"),
            ("provision", "r2"),
            ("register", "r2"),
        ):
            environment = {**self.environment, "AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": function.upper()}
            running = await Function.start([f"{folder}/{function}/bootstrap"], environment)
            try:
                for _ in range(CALLS_LIMIT):
                    _, answer = await running.call({"service": SERVICE, "release": release})
                    if answer.get("status") != "waiting":
                        break
                    await asyncio.sleep(0.2)
                if answer.get("status") != "done":
                    raise SystemExit(f"{function} of {release} answered {answer}")
            finally:
                await running.stop()

    def releases_by_hand(self):
        """The same for what is no Pointsman: as much of it as the peer looks at."""
        elbv2 = client("elbv2", self.url)
        for release, role in (("r1", "product"), ("r2", "pre-product")):
            group, addresses = self.make_release(SERVICE, release, role)
            rule = self.config[role.replace("-", "_")]
            elbv2.create_rule(
                ListenerArn=self.listener,
                Priority=rule["priority"],
                Conditions=[{"Field": "host-header", "HostHeaderConfig": {"Values": rule["hosts"]}}],
                Actions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": group, "Weight": 100}]}}],
                Tags=pairs({"pointsman:service": SERVICE, "pointsman:rule": role}),
            )
            record = {
                "Name": self.config["dns"][role.replace("-", "_")],
                "Type": "A",
                "TTL": 10,
                "ResourceRecords": [{"Value": address} for address in addresses],
            }
            client("route53", self.url).change_resource_record_sets(
                HostedZoneId=self.config["dns"]["zone_id"],
                ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]},
            )

    def make_release(self, service, release, role, instances=INSTANCES):
        ec2, elbv2 = client("ec2", self.url), client("elbv2", self.url)
        tags = pairs(
            {
                "pointsman:service": service,
                "pointsman:release": release,
                "pointsman:role": role,
                "pointsman:since": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "Name": f"{service}-{role}",
            }
        )
        launched = [
            ec2.run_instances(
                ImageId=self.ami,
                InstanceType="t3.small",
                MinCount=1,
                MaxCount=1,
                SubnetId=self.subnets[n % len(self.subnets)],
                TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
            )["Instances"][0]
            for n in range(instances)
        ]
        group = elbv2.create_target_group(
            Name=f"{service[:19]}-{hashlib.sha256(f'{service}/{release}'.encode()).hexdigest()[:12]}",
            Protocol="HTTP",
            Port=8080,
            VpcId=self.vpc,
            Tags=tags,
        )["TargetGroups"][0]["TargetGroupArn"]
        elbv2.register_targets(TargetGroupArn=group, Targets=[{"Id": i["InstanceId"], "Port": 8080} for i in launched])
        return group, [i["PrivateIpAddress"] for i in launched]

    def add_other_services(self, count):
        """Others in the same account: each a server, a target group and a rule; 50 of them share a listener."""
        elbv2 = client("elbv2", self.url)
        listeners = [self.make_listener(elbv2, f"other-{n}") for n in range(-(-count // 50))]

        for n in range(count):
            service = f"other-{n}"
            group, _ = self.make_release(service, "r1", "product", instances=1)
            elbv2.create_rule(
                ListenerArn=listeners[n // 50],
                Priority=n % 50 + 1,
                Conditions=[{"Field": "host-header", "HostHeaderConfig": {"Values": [f"{service}.example.com"]}}],
                Actions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": group, "Weight": 100}]}}],
                Tags=pairs({"pointsman:service": service, "pointsman:rule": "product"}),
            )


def pairs(tags):
    """Tags as AWS writes them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]
