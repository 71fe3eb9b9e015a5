"""promote, as a team writes it today with boto3: the same calls of AWS, one after the other."""

import hashlib
import json
import os
import time
import uuid
from datetime import datetime, timezone

import boto3

codepipeline = boto3.client("codepipeline")
dynamodb = boto3.client("dynamodb")
ec2 = boto3.client("ec2")
elbv2 = boto3.client("elbv2")
route53 = boto3.client("route53")
sns = boto3.client("sns")

LEASE_SECONDS = 75
RECORD_TTL_SECONDS = 10


def handler(event, context):
    job = event["CodePipeline.job"]
    try:
        parameters = json.loads(job["data"]["actionConfiguration"]["configuration"]["UserParameters"])
        service, release = parameters["service"], parameters["release"]
        config = json.loads(os.environ["SERVICE_" + service.upper().replace("-", "_")])
        owner = take_lease(service)
        try:
            changed = promote(service, release, config)
        finally:
            give_lease_back(service, owner)
        if changed:
            tell(service, release, config)
    except Exception as error:
        print(json.dumps({"level": "error", "error": str(error)}))
        codepipeline.put_job_failure_result(jobId=job["id"], failureDetails={"type": "JobFailed", "message": str(error)[:5000]})
        return {"status": "failed", "reason": str(error)}
    codepipeline.put_job_success_result(
        jobId=job["id"],
        executionDetails={"summary": f"{service} {release} is product", "externalExecutionId": release},
        outputVariables={"Release": release},
    )
    return {"status": "done", "release": release}


def promote(service, release, config):
    rules = elbv2.describe_rules(ListenerArn=config["listener_arn"])["Rules"]
    product = next(rule for rule in rules if rule["Priority"] == str(config["product"]["priority"]))
    pre_product = next((rule for rule in rules if rule["Priority"] == str(config["pre_product"]["priority"])), None)

    arns = sorted({group["TargetGroupArn"] for rule in (product, pre_product) if rule for group in groups(rule)})
    described = elbv2.describe_tags(ResourceArns=[product["RuleArn"], *arns])["TagDescriptions"]
    tags = {d["ResourceArn"]: {tag["Key"]: tag["Value"] for tag in d["Tags"]} for d in described}
    new = next(arn for arn in arns if tags[arn].get("pointsman:release") == release)
    if [group["TargetGroupArn"] for group in groups(product) if group.get("Weight", 1) > 0] == [new]:
        return False
    if pre_product is None or new not in [group["TargetGroupArn"] for group in groups(pre_product)]:
        raise Exception(f"{release} is not what the pre-product rule forwards to")
    old = next(group["TargetGroupArn"] for group in groups(product) if group.get("Weight", 1) > 0)

    for arn in (new, old):
        health = elbv2.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        healthy = [target for target in health if target["TargetHealth"]["State"] == "healthy"]
        if arn == new and len(healthy) < config["instance_count"]:
            raise Exception(f"only {len(healthy)} of {config['instance_count']} targets of {release} are healthy")

    instances = {}
    reservations = ec2.describe_instances(
        Filters=[
            {"Name": "tag:pointsman:service", "Values": [service]},
            {"Name": "instance-state-name", "Values": ["pending", "running"]},
        ]
    )["Reservations"]
    for instance in (i for reservation in reservations for i in reservation["Instances"]):
        of = next(tag["Value"] for tag in instance["Tags"] if tag["Key"] == "pointsman:release")
        instances.setdefault(of, []).append(instance)

    weights = [{"TargetGroupArn": new, "Weight": 100}, {"TargetGroupArn": old, "Weight": 0}]
    elbv2.modify_rule(
        RuleArn=product["RuleArn"], Actions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": weights}}]
    )
    [seen] = elbv2.describe_rules(RuleArns=[product["RuleArn"]])["Rules"]
    if {group["TargetGroupArn"]: group.get("Weight") for group in groups(seen)} != {new: 100, old: 0}:
        raise Exception("the product rule is not what it was just set to")

    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    weights_hash = hashlib.sha256(json.dumps(weights).encode()).hexdigest()[:8]
    elbv2.add_tags(
        ResourceArns=[product["RuleArn"]], Tags=[{"Key": "pointsman:since", "Value": f"{now} {weights_hash}"}]
    )
    for arn, of, role in ((new, release, "product"), (old, tags[old]["pointsman:release"], "retired")):
        role_tags = [
            {"Key": "pointsman:role", "Value": role},
            {"Key": "pointsman:since", "Value": now},
            {"Key": "Name", "Value": f"{service}-{role}"},
        ]
        elbv2.add_tags(ResourceArns=[arn], Tags=role_tags)
        ec2.create_tags(Resources=[i["InstanceId"] for i in instances[of]], Tags=role_tags)

    elbv2.delete_rule(RuleArn=pre_product["RuleArn"])
    names_follow(config["dns"], [i["PrivateIpAddress"] for i in instances[release]])
    return True


def groups(rule):
    """The target groups that a rule forwards to, with their weights."""
    return rule["Actions"][-1]["ForwardConfig"]["TargetGroups"]


def names_follow(dns, private_ips):
    """The product name bears the new release's addresses, the pre-product name is gone."""
    records = {}
    for name in (dns["product"], dns["pre_product"]):
        found = route53.list_resource_record_sets(
            HostedZoneId=dns["zone_id"], StartRecordName=name, StartRecordType="A", MaxItems="1"
        )["ResourceRecordSets"]
        records[name] = next((r for r in found if r["Name"].rstrip(".") == name and r["Type"] == "A"), None)
    changes = [{"Action": "DELETE", "ResourceRecordSet": record} for record in records.values() if record]
    address_record = {
        "Name": dns["product"],
        "Type": "A",
        "TTL": RECORD_TTL_SECONDS,
        "ResourceRecords": [{"Value": ip} for ip in sorted(private_ips)],
    }
    changes.append({"Action": "CREATE", "ResourceRecordSet": address_record})
    route53.change_resource_record_sets(HostedZoneId=dns["zone_id"], ChangeBatch={"Changes": changes})


def take_lease(service):
    owner, now = str(uuid.uuid4()), int(time.time())
    dynamodb.put_item(
        TableName=os.environ["LEASE_TABLE"],
        Item={"service": {"S": service}, "owner": {"S": owner}, "expires_at": {"N": str(now + LEASE_SECONDS)}},
        ConditionExpression="attribute_not_exists(service) OR expires_at < :now",
        ExpressionAttributeValues={":now": {"N": str(now)}},
    )
    return owner


def give_lease_back(service, owner):
    dynamodb.delete_item(
        TableName=os.environ["LEASE_TABLE"],
        Key={"service": {"S": service}},
        ConditionExpression="#owner = :owner",
        ExpressionAttributeNames={"#owner": "owner"},
        ExpressionAttributeValues={":owner": {"S": owner}},
    )


def tell(service, release, config):
    text = f"{service} {release} is product now: https://{config['product']['hosts'][0]}/. Press Approve to keep it, Reject to go back."
    card = {"version": "1.0", "source": "custom", "content": {"textType": "client-markdown", "title": f"{service} is product", "description": text}}
    attributes = {"service": service, "event": "promote", "status": "done"}
    sns.publish(
        TopicArn=os.environ["NOTIFY_TOPIC_ARN"],
        Subject=f"{service}: {release} is product"[:99],
        MessageStructure="json",
        Message=json.dumps({"default": json.dumps(card), "email": text}),
        MessageAttributes={k: {"DataType": "String", "StringValue": v} for k, v in attributes.items()},
    )
