"""Behind the answer: the queue, the ledger, the bucket, the schedule."""

import json
import time
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from signpost.lake import Lake
from signpost.service import ulid, until

POISON = "no click at all"


SCHEDULED = json.loads((Path(__file__).parents[2] / "events/verify-ledger/minimal.json").read_text())


def message(link, **more):
    """A click as the redirect sends it."""
    return json.dumps({
        "v": 1, "id": f"clk_{ulid()}", "link": link["id"], "workspace": link["workspace"],
        "domain": link["domain"], "slug": link["slug"], "shard": 0, "status": 302, **more,
    })


@pytest.fixture
def link(service):
    return service.link() | {"workspace": service.workspace}


def test_a_click_that_comes_twice_counts_once(service, cloud, link):
    body = message(link)
    for _ in range(3):
        cloud.queues.send_message(QueueUrl=cloud.queue("clicks"), MessageBody=body)
    service.counted(link, 1)
    until(30, "the queue is empty", lambda: cloud.waiting("clicks") == 0)
    service.counted(link, 1)


def test_a_poisoned_message_ends_in_the_dead_letter_queue_and_its_neighbours_are_counted(service, cloud, link):
    clicks, dead = cloud.queue("clicks"), cloud.queue("clicks-dead")
    assert cloud.waiting("clicks-dead") == 0
    # One that never was a click, and one whose cause will be mended: nobody knows its version yet.
    late = json.loads(message(link))
    bodies = [message(link), POISON, message(link), json.dumps(late | {"v": 99}), message(link)]
    entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)]
    cloud.queues.send_message_batch(QueueUrl=clicks, Entries=entries)
    service.counted(link, 3)
    until(90, "both are in the dead-letter queue", lambda: cloud.waiting("clicks-dead") == 2)
    assert service.clicks(link)["total"] == 3

    # The runbook: mend the cause, then redrive.
    found = until(10, "both are read", lambda: read_all(cloud, dead, 2))
    assert sorted(it["Body"] for it in found) == sorted([POISON, bodies[3]])
    (poison,) = [it for it in found if it["Body"] == POISON]
    (mended,) = [it for it in found if it["Body"] != POISON]
    for it, body in ((poison, None), (mended, json.dumps(late))):
        cloud.queues.delete_message(QueueUrl=dead, ReceiptHandle=it["ReceiptHandle"])
        if body is not None:
            # As if record-clicks could read it now.
            cloud.queues.send_message(QueueUrl=dead, MessageBody=body)
    redrive(cloud)
    service.counted(link, 4)
    assert cloud.waiting("clicks-dead") == 0


def read_all(cloud, queue, count):
    seen = {}
    for _ in range(count + 2):
        page = cloud.queues.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=2)
        seen |= {it["MessageId"]: it for it in page.get("Messages", [])}
        if len(seen) == count:
            return list(seen.values())
    return None


def redrive(cloud):
    """`aws sqs start-message-move-task`, and what it does where the emulator has no such call."""
    dead, clicks = cloud.queue("clicks-dead"), cloud.queue("clicks")
    arn = cloud.queues.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    try:
        cloud.queues.start_message_move_task(SourceArn=arn)
    except ClientError as error:
        if error.response["Error"]["Code"] not in UNKNOWN_CALL:
            raise
        while moved := cloud.queues.receive_message(QueueUrl=dead, MaxNumberOfMessages=10).get("Messages"):
            for it in moved:
                cloud.queues.send_message(QueueUrl=clicks, MessageBody=it["Body"])
                cloud.queues.delete_message(QueueUrl=dead, ReceiptHandle=it["ReceiptHandle"])


UNKNOWN_CALL = {"InvalidAction", "UnsupportedOperation", "UnknownOperationException", "AWS.SimpleQueueService.UnsupportedOperation"}


def test_every_counted_click_is_in_the_bucket(service, cloud, link):
    for _ in range(2):
        service.follow(link["slug"]).expect(302)
    service.counted(link, 2)
    counted = {click["id"] for click in service.get(f"/api/v1/links/{link['id']}/clicks").expect(200)["items"]}
    lake = Lake(cloud)
    # As lines, or once compaction has taken them as rows of Parquet: first there, and then here.
    found = lake.lines(link) + lake.rows(link)
    assert {click["id"] for click in found} == counted
    assert all(click["slug"] == link["slug"] and click["workspace"] == service.workspace for click in found)


def test_messages_that_make_no_sense_are_given_back_one_by_one(service, link):
    bodies = [
        POISON, "", "{}", "[]", message(link), message(link, shard=9_999), message(link, id="clk_1"),
        # Older than clicks are kept: its row may be gone, and it could count twice.
        message(link, id=f"clk_{ulid(time.time() - 400 * 86_400)}"), message(link | {"id": "lnk_1"}),
    ]
    failed = service.record(*bodies)
    assert sorted(it["itemIdentifier"] for it in failed) == ["0", "1", "2", "3", "5", "6", "7", "8"]
    service.counted(link, 1, seconds=1)


def runs(cloud, since=0):
    """What each run of `verify-ledger` says of itself in its end."""
    lines = [json.loads(line) for line in cloud.lines("verify-ledger", since) if line.startswith("{")]
    return [line for line in lines if "subjects" in line and "differences" in line]


def test_the_schedule_verifies_the_ledger_and_finds_no_difference(cloud):
    seen = until(130, "the schedule has started `verify-ledger`", lambda: runs(cloud), every=1)
    assert all(run["differences"] == 0 for run in seen), seen
    metrics = [line for line in cloud.lines("verify-ledger") if '"LedgerVerified"' in line and '"_aws"' in line]
    assert metrics and not [line for line in cloud.lines("verify-ledger") if "LedgerDifference" in line]


def test_a_count_that_is_wrong_is_found(service, cloud, link):
    service.follow(link["slug"]).expect(302)
    service.counted(link, 1)
    table, of_link = f"{cloud.name}-clicks", {":pk": {"S": f"R#{link['id']}"}, ":sk": {"S": "T#"}}
    (row,) = cloud.dynamodb.query(
        TableName=table, KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)", ExpressionAttributeValues=of_link
    )["Items"]

    def add(number):
        cloud.dynamodb.update_item(
            TableName=table, Key={name: row[name] for name in ("pk", "sk")}, UpdateExpression="ADD human :one",
            ExpressionAttributeValues={":one": {"N": str(number)}},
        )

    def differences():
        begin = time.time()
        cloud.invoke("verify-ledger", SCHEDULED)
        done = until(5, "the run has said what it found", lambda: runs(cloud, begin))
        return sum(run["differences"] for run in done)

    add(1)
    try:
        assert differences() > 0
    finally:
        add(-1)
    until(10, "nothing is wrong any more", lambda: differences() == 0)
