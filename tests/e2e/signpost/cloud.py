"""The deployment from the side of its operator: functions, logs, queues, tables, roles."""

import json
import os
import time
from contextlib import contextmanager

import boto3
from botocore.config import Config

# What Terraform's state says is handed over in this file, see `run.py`.
CONTEXT = "SIGNPOST_E2E"


class Cloud:
    """AWS clients, and what they are asked here."""

    def __init__(self, context):
        self.name = context["name"]
        self.endpoint = context["endpoint"]
        self.region = context["region"]
        self.bucket = context["raw_bucket"]
        # A refusal is looked at and not tried again.
        config = Config(retries={"total_max_attempts": 1}, max_pool_connections=64, read_timeout=90)
        session = boto3.Session(
            aws_access_key_id="test", aws_secret_access_key="test", region_name=self.region
        )

        def client(service):
            return session.client(service, endpoint_url=self.endpoint, config=config)

        self.lambdas = client("lambda")
        self.logs = client("logs")
        self.queues = client("sqs")
        self.dynamodb = client("dynamodb")
        self.objects = client("s3")
        self.iam = client("iam")
        self.events_of_time = client("events")

    # --- Functions --------------------------------------------------------------------------

    def invoke(self, function, event):
        """What the function answers to an event, as whoever triggers it would call it."""
        answer = self.lambdas.invoke(
            FunctionName=f"{self.name}-{function}", Qualifier="live", Payload=json.dumps(event).encode()
        )
        payload = json.loads(answer["Payload"].read() or b"null")
        assert "FunctionError" not in answer, f"`{function}` failed: {payload}{self.last_lines(function)}"
        return payload

    def renew(self, function, **changes):
        """Has the function's calls answered by new processes: by a new version, which differs in `changes`."""
        name = f"{self.name}-{function}"
        self.lambdas.update_function_configuration(
            FunctionName=name, Description=f"renewed at {time.time()}", **changes
        )
        version = self.lambdas.publish_version(FunctionName=name)["Version"]
        self.lambdas.update_alias(FunctionName=name, Name="live", FunctionVersion=version)

    @contextmanager
    def settings(self, function, **more):
        """Gives a function settings that this deployment does not have, for a while."""
        found = self.lambdas.get_function_configuration(FunctionName=f"{self.name}-{function}")
        before = found["Environment"]["Variables"]
        self.renew(function, Environment={"Variables": before | more})
        try:
            yield
        finally:
            self.renew(function, Environment={"Variables": before})

    def pause(self, worker):
        """Has the schedule of a worker start it no more; who wants it to run calls it."""
        self.events_of_time.disable_rule(Name=f"{self.name}-{worker}")

    # --- Logs -------------------------------------------------------------------------------

    def log_groups(self):
        pages = self.logs.get_paginator("describe_log_groups").paginate()
        return [group["logGroupName"] for page in pages for group in page["logGroups"]]

    def lines(self, function, since=0):
        """The log lines of a function since a moment (seconds), oldest first."""
        group = f"/aws/lambda/{self.name}-{function}"
        return [event["message"].rstrip("\n") for event in self.events(group, since)]

    def events(self, group, since=0):
        token, found = {}, []
        while True:
            try:
                page = self.logs.filter_log_events(
                    logGroupName=group, startTime=int(since * 1000), limit=10_000, **token
                )
            except self.logs.exceptions.ResourceNotFoundException:
                return []
            found += page["events"]
            if not page.get("nextToken") or page.get("nextToken") == token.get("nextToken"):
                return found
            token = {"nextToken": page["nextToken"]}

    def last_lines(self, function, count=6):
        """For messages of failures: what the function said last."""
        lines = "\n".join(f"    {line[:400]}" for line in self.lines(function, time.time() - 60)[-count:])
        return f"\nlast lines of `{function}`:\n{lines}" if lines else ""

    # --- Queues -----------------------------------------------------------------------------

    def queue(self, name):
        return self.queues.get_queue_url(QueueName=f"{self.name}-{name}")["QueueUrl"]

    def waiting(self, name):
        """How many messages are in a queue, taken or not."""
        counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.queues.get_queue_attributes(QueueUrl=self.queue(name), AttributeNames=counts)
        return sum(int(found["Attributes"][count]) for count in counts)

    # --- Rows -------------------------------------------------------------------------------

    def row(self, table, pk, sk):
        key = {"pk": {"S": pk}, "sk": {"S": sk}}
        table = f"{self.name}-{table}"
        return self.dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")


def load():
    """What the runner hands over to whoever runs the flows."""
    with open(os.environ[CONTEXT], encoding="utf-8") as file:
        return json.load(file)
