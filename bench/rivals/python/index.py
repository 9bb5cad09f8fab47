"""A redirect with counting, as a user of boto3 writes it."""

import json
import os
import time
import uuid

import boto3

dynamodb = boto3.client("dynamodb")
sqs = boto3.client("sqs")
TTL = 30
cache = {}


def find(slug):
    known = cache.get(slug)
    if known and time.monotonic() - known[1] < TTL:
        return known[0]
    row = dynamodb.get_item(TableName=os.environ["TABLE"], Key={"slug": {"S": slug}}).get("Item")
    if not row:
        return None
    cache[slug] = (row["url"]["S"], time.monotonic())
    return row["url"]["S"]


def handler(event):
    slug = (event.get("pathParameters") or {}).get("slug")
    url = slug and find(slug)
    if not url:
        return {"statusCode": 404}
    headers = event["headers"]
    click = {
        "id": str(uuid.uuid4()),
        "slug": slug,
        "userAgent": headers.get("user-agent"),
        "referrer": headers.get("referer"),
        "language": headers.get("accept-language"),
        "country": headers.get("cloudfront-viewer-country"),
    }
    sqs.send_message(QueueUrl=os.environ["QUEUE_URL"], MessageBody=json.dumps(click))
    print(json.dumps({"level": "info", "message": "redirected", "slug": slug}))
    return {"statusCode": 302, "headers": {"location": url, "cache-control": "private, no-store"}}
