"""What is told of a click, from CloudFront's headers to the statistics."""

import json
import secrets
import time
import urllib.parse
from pathlib import Path

import pytest
from signpost.lake import Lake
from signpost.service import ulid, until

EVENTS = Path(__file__).parents[2] / "events"

# Nobody's: addresses for documentation.
BERLIN = {
    "cloudfront-viewer-address": "203.0.113.77:4711", "cloudfront-viewer-country": "DE",
    "cloudfront-viewer-country-region": "BE", "cloudfront-viewer-city": "Berlin",
    "cloudfront-viewer-asn": "3320", "accept-language": "de-AT,de;q=0.9",
    "referer": "https://news.example.org/today?secret=1",
}
VIENNA = BERLIN | {
    "cloudfront-viewer-address": "198.51.100.23:4711", "cloudfront-viewer-country": "AT",
    "cloudfront-viewer-country-region": "9", "cloudfront-viewer-city": "Vienna",
}
HETZNER = BERLIN | {"cloudfront-viewer-address": "203.0.113.78:4711", "cloudfront-viewer-asn": "24940"}


def scheduled(worker):
    return json.loads((EVENTS / worker / "minimal.json").read_text())


@pytest.fixture
def link(service):
    return service.link(url=f"https://shop.example.com/{secrets.token_hex(4)}?utm_source=mail&utm_campaign=autumn")


@pytest.fixture
def through_cloudfront(cloud, service):
    """Follows links as CloudFront forwards it, to a redirect that knows CloudFront's secret."""
    cloud.invoke("rotate-salts", scheduled("rotate-salts"))
    secret = secrets.token_hex(24)

    def follow(link, viewer, **more):
        return service.follow(link["slug"], **viewer, **{"x-origin-secret": secret}, **more).expect(302)

    with cloud.settings("redirect", ORIGIN_SECRET=secret):
        yield follow


def today():
    return time.strftime("%Y-%m-%d", time.gmtime())


def tomorrow():
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86_400))


def stats(service, path, **query):
    """Of today, since a window that cuts a day knows no visitors."""
    query = {"from": today(), "to": tomorrow()} | query
    return service.get(f"{path}?{urllib.parse.urlencode(query, doseq=True)}").expect(200).json


def of_link(link):
    return f"/api/v1/links/{link['id']}/stats"


def figures(answer):
    return tuple(answer["totals"][name] for name in ("clicks", "human", "bot"))


def values(answer, dimension):
    return {it["value"]: it["clicks"] for it in answer["breakdown"][dimension]}


def test_a_click_says_where_it_came_from(service, link, through_cloudfront):
    for viewer in (BERLIN, BERLIN, VIENNA, HETZNER):
        through_cloudfront(link, viewer)
    # Who knows no secret could have made up everything.
    service.follow(link["slug"], **BERLIN).expect(403)
    service.counted(link, 4)
    names = ("country", "region", "city", "language", "referrer", "browser", "utm_source", "bot")
    answer = stats(service, of_link(link), dimensions=",".join(names))
    assert figures(answer) == (4, 3, 1)
    # One came twice, and programs in a data centre are nobody's visitors.
    assert answer["totals"]["unique"] == 2
    assert values(answer, "country") == {"DE": 3, "AT": 1}
    assert values(answer, "region") == {"DE-BE": 3, "AT-9": 1}
    assert values(answer, "city") == {"Berlin, DE": 3, "Vienna, AT": 1}
    assert values(answer, "language") == {"de": 4}
    assert values(answer, "referrer") == {"news.example.org": 4}
    assert values(answer, "browser") == {"Firefox": 4}
    assert values(answer, "utm_source") == {"mail": 4}
    assert sum(values(answer, "bot").values()) == 4 and values(answer, "bot")["(unknown)"] == 3
    # By two dimensions, for which the clicks themselves are read; and by the counts.
    assert figures(stats(service, of_link(link), filter="country:DE,bot:false")) == (2, 2, 0)
    assert figures(stats(service, of_link(link), filter="country:AT")) == (1, 1, 0)


def test_what_everybody_can_say_of_themselves_is_not_believed(service, link):
    service.follow(link["slug"], **BERLIN).expect(302)
    service.counted(link, 1)
    answer = stats(service, of_link(link), dimensions="country,city,referrer")
    assert values(answer, "country") == values(answer, "city") == {"(unknown)": 1}
    assert values(answer, "referrer") == {"news.example.org": 1}


def test_a_workspace_knows_its_links(elsewhere):
    links = [elsewhere.link() for _ in range(2)]
    for link in (links[0], links[1], links[0]):
        elsewhere.follow(link["slug"]).expect(302)
    for link, clicks in zip(links, (2, 1)):
        elsewhere.counted(link, clicks)
    answer = stats(elsewhere, "/api/v1/stats", dimensions="link")
    found = values(answer, "link")
    assert [found[link["id"]] for link in links] == [2, 1]
    assert sum(found.values()) == answer["totals"]["clicks"]
    table = elsewhere.get(f"/api/v1/stats?from={today()}&dimensions=link", headers={"accept": "text/csv"}).expect(200)
    assert f"link,{links[0]['id']},2,2,0" in table.text.splitlines()


def test_what_led_nowhere_is_counted(service, anyone):
    slug = "e2e-nowhere-" + secrets.token_hex(4)
    for _ in range(3):
        anyone.follow(slug).expect(404)

    def seen():
        answer = stats(service, "/api/v1/stats/orphans", dimensions="slug")
        found = values(answer, "slug").get(slug, 0)
        assert found <= 3, answer
        return found == 3

    until(30, "all three are counted", seen)


def test_a_click_is_in_the_file_of_its_hour_once(service, cloud, link):
    lake = Lake(cloud)
    for _ in range(3):
        service.follow(link["slug"]).expect(302)
    # One that comes twice, and one that is late by a day and a bit.
    body = json.loads(message(link, service.workspace))
    late = time.time() - 26 * 3600
    for it in (body, body, body | {"id": f"clk_{ulid(late)}"}):
        cloud.queues.send_message(QueueUrl=cloud.queue("clicks"), MessageBody=json.dumps(it))
    service.counted(link, 5)
    until(30, "the queue is empty", lambda: cloud.waiting("clicks") == 0)
    clicks = service.get(f"/api/v1/links/{link['id']}/clicks").expect(200)["items"]
    for _ in range(2):
        cloud.invoke("compact-clicks", scheduled("compact-clicks"))
        rows = lake.rows(link)
        assert sorted(row["id"] for row in rows) == sorted(click["id"] for click in clicks)
        assert lake.lines(link) == []
    for row in rows:
        assert time.strftime("%Y-%m-%d %H", time.gmtime(row["at"] / 1000)) == f"{row['dt']} {row['hr']}"
    assert time.strftime("%Y-%m-%d", time.gmtime(late)) in {row["dt"] for row in rows}


def test_what_is_purged_is_nowhere_any_more(service, cloud, link):
    lake, neighbour = Lake(cloud), service.link()
    for it in (link, link, neighbour):
        service.follow(it["slug"]).expect(302)
    service.counted(link, 2)
    service.counted(neighbour, 1)
    cloud.invoke("compact-clicks", scheduled("compact-clicks"))
    service.follow(link["slug"]).expect(302)
    service.counted(link, 3)
    before = figures(stats(service, "/api/v1/stats"))

    path = f"/api/v1/links/{link['id']}?purge=true"
    assert service.delete(path).expect(202)["purged_at"] is None
    until(60, "somebody has looked everywhere", lambda: service.delete(path).expect(202)["purged_at"], every=1)
    assert lake.lines(link) + lake.rows(link) == []
    assert len({click["id"] for click in lake.lines(neighbour) + lake.rows(neighbour)}) == 1
    rows = [row for page in cloud.dynamodb.get_paginator("scan").paginate(TableName=f"{cloud.name}-clicks") for row in page["Items"]]
    left = [row for row in rows if link["id"] in json.dumps(row, default=repr)]
    # The order and the fence, which hold no click: when they expire, no message of one can be left.
    assert sorted({row["pk"]["S"] for row in left}) == ["P", f"R#{link['id']}"]
    assert {row["sk"]["S"][:2] for row in left} == {"ln", "T#"} and all("expires" in row for row in left)
    assert any(it["action"] == "link.purged" and it["subject"] == link["id"] for it in audit(service))

    # A click that was under way is nobody's, and the workspace's counts stay what they were.
    assert service.record(message(link, service.workspace)) == []
    cloud.invoke("compact-clicks", scheduled("compact-clicks"))
    assert lake.lines(link) + lake.rows(link) == []
    assert figures(stats(service, "/api/v1/stats")) >= before


def audit(service):
    return service.get("/api/v1/audit?limit=100").expect(200)["items"]


def message(link, workspace):
    return json.dumps({
        "v": 1, "id": f"clk_{ulid()}", "link": link["id"], "workspace": workspace,
        "domain": link["domain"], "slug": link["slug"], "shard": 0, "status": 302,
    })
