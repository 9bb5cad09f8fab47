"""Links: made, followed, counted, edited, limited, deleted, listed."""

import json
import re
import secrets
from concurrent.futures import ThreadPoolExecutor

from signpost.service import until


def word():
    return "e2e-" + secrets.token_hex(5)


def test_a_link_leads_where_it_should(service):
    target = "https://www.example.com/spring?a=1&b=%20x"
    slug, alias = word(), word()
    link = service.link(url=target, slug=slug, aliases=[alias])
    assert link["short_url"] == f"{service.url}/{slug}"
    for name in (slug, alias):
        for method in ("GET", "HEAD"):
            answer = service.follow(name, method=method).expect(302)
            assert answer.header("location") == target
            assert answer.header("cache-control") == "private, no-store"
            assert answer.body == b""


def test_every_redirect_is_one_counted_click(service):
    link = service.link(aliases=[word()])
    for slug in [link["slug"], *link["aliases"]] * 3:
        service.follow(slug).expect(302)
    # Neither is a click: a HEAD, and a request that leads nowhere.
    service.follow(link["slug"], method="HEAD").expect(302)
    service.follow(word()).expect(404)
    service.follow(link["slug"], browser="Googlebot/2.1 (+http://www.google.com/bot.html)").expect(302)
    clicks = service.counted(link, 7)
    assert clicks == {"total": 7, "human": 6, "bot": 1}


def test_clicks_say_what_was_known_of_them(service):
    link = service.link()
    service.follow(link["slug"], referer="https://news.example.org/page?secret=1").expect(302)
    service.counted(link, 1)
    (click,) = service.get(f"/api/v1/links/{link['id']}/clicks").expect(200)["items"]
    assert click["slug"] == link["slug"] and click["status"] == 302 and click["bot"] is None
    assert click["referrer"] == "news.example.org"
    assert "Firefox" in click["user_agent"]


def test_statistics_are_the_clicks(service):
    link = service.link()
    for _ in range(3):
        service.follow(link["slug"]).expect(302)
    service.counted(link, 3)
    for interval in ("hour", "day"):
        stats = service.get(f"/api/v1/links/{link['id']}/stats?interval={interval}").expect(200).json
        assert {name: stats["totals"][name] for name in ("clicks", "human", "bot")} == {"clicks": 3, "human": 3, "bot": 0}
        assert sum(point["clicks"] for point in stats["series"]) == 3


def test_a_page_of_clicks_goes_on_in_the_next_one(service):
    link = service.link()
    for _ in range(5):
        service.follow(link["slug"]).expect(302)
    service.counted(link, 5)
    seen, path = [], f"/api/v1/links/{link['id']}/clicks?limit=2"
    while path:
        page = service.get(path).expect(200).json
        seen += [click["id"] for click in page["items"]]
        path = page["next"] and f"/api/v1/links/{link['id']}/clicks?limit=2&cursor={page['next']}"
    assert len(seen) == len(set(seen)) == 5


def test_an_edit_is_seen_when_the_kept_row_is_old(service, context):
    link = service.link(url="https://www.example.com/old")
    assert service.follow(link["slug"]).header("location") == "https://www.example.com/old"
    path = f"/api/v1/links/{link['id']}"
    edited = service.patch(path, {"url": "https://www.example.com/new", "title": "New"}).expect(200)
    assert edited["title"] == "New"

    def moved():
        return service.follow(link["slug"]).header("location") == "https://www.example.com/new"

    until(context["cache_ttl_seconds"] + 5, "the redirect leads to the new address", moved)


def test_an_edit_of_what_was_edited_meanwhile_is_refused(service):
    path = f"/api/v1/links/{service.link()['id']}"
    seen = service.get(path).header("etag")
    service.patch(path, {"title": "One"}, headers={"if-match": seen}).expect(200)
    service.patch(path, {"title": "Two"}, headers={"if-match": seen}).expect(412)
    assert service.get(path)["title"] == "One"


def test_a_new_slug_keeps_the_old_one(service):
    link, new = service.link(), word()
    edited = service.patch(f"/api/v1/links/{link['id']}", {"slug": new}).expect(200)
    assert edited["aliases"] == [link["slug"]]
    for slug in (new, link["slug"]):
        assert service.follow(slug).expect(302).header("location") == link["url"]


def test_a_limited_link_is_followed_so_often_and_no_more(service):
    link = service.link(max_clicks=3)
    # A preview learns nothing and uses nothing up.
    preview = service.follow(link["slug"], browser="Slackbot-LinkExpanding 1.0").expect(200)
    assert link["url"] not in preview.text
    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(lambda _: service.follow(link["slug"]).status, range(8)))
    assert statuses == [302] * 3 + [410] * 5
    service.counted(link, 3)


def test_a_deleted_link_is_gone_and_its_slug_stays_ours(service, elsewhere, context):
    link = service.link()
    service.delete(f"/api/v1/links/{link['id']}").expect(204)
    service.get(f"/api/v1/links/{link['id']}").expect(404)
    service.follow(link["slug"]).expect(410)
    elsewhere.post("/api/v1/links", {"url": "https://www.example.com/", "slug": link["slug"]}).expect(409)
    again = service.link(slug=link["slug"], url="https://www.example.com/again")

    def back():
        return service.follow(link["slug"]).status == 302

    until(context["cache_ttl_seconds"] + 5, "the slug leads to the new link", back)
    assert again["id"] != link["id"]


def test_lists_by_tag_by_prefix_and_page_by_page(service):
    tag, prefix = word(), word()
    made = [service.link(slug=f"{prefix}-{number}", tags=[tag])["id"] for number in range(5)]
    other = service.link(slug=f"{prefix}-other")["id"]

    def listed(query):
        ids, cursor = [], ""
        while True:
            page = service.get(f"/api/v1/links?limit=2&{query}{cursor}").expect(200).json
            ids += [link["id"] for link in page["items"]]
            if page["next"] is None:
                return ids
            cursor = f"&cursor={page['next']}"

    assert listed(f"tag={tag}") == made[::-1]
    assert sorted(listed(f"q={prefix}")) == sorted([*made, other])
    assert sorted(listed(f"tag={tag}&q={prefix}-3")) == [made[3]]
    everything = service.get("/api/v1/links?limit=100").expect(200)["items"]
    assert [link["id"] for link in everything][:6] == [other, *made[::-1]]


def test_the_same_request_with_the_same_key_makes_one_link(service):
    key = {"idempotency-key": secrets.token_hex(16)}
    body = {"url": "https://www.example.com/once"}
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: service.post("/api/v1/links", body, headers=key), range(6)))
    assert {answer.expect(201)["id"] for answer in answers} == {answers[0]["id"]}
    replays = [answer for answer in answers if answer.header("idempotency-replayed") == "true"]
    assert len(replays) == 5
    service.post("/api/v1/links", {"url": "https://www.example.com/other"}, headers=key).expect(422)


def test_of_many_who_want_a_slug_one_gets_it(service):
    body = {"url": "https://www.example.com/", "slug": word()}
    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(answer.status for answer in pool.map(lambda _: service.post("/api/v1/links", body), range(8)))
    assert statuses == [201] + [409] * 7


def test_links_made_at_the_same_time_are_all_there(service):
    with ThreadPoolExecutor(10) as pool:
        links = list(pool.map(lambda _: service.link(), range(30)))
    assert len({link["slug"] for link in links}) == 30
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda link: service.follow(link["slug"]), links))
    assert [answer.header("location") for answer in answers] == [link["url"] for link in links]


def test_nonsense_is_refused_with_all_that_is_wrong(service):
    answer = service.post("/api/v1/links", {"url": "javascript:alert(1)", "slug": "a/b", "colour": 1}).expect(400)
    assert answer.header("content-type") == "application/problem+json"
    assert {fault["pointer"] for fault in answer["errors"]} == {"/url", "/slug", "/colour"}
    for body in (b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"url": 1}', b'{"url":"x"}' * 2):
        service.ask("POST", "/api/v1/links", body=body, headers={"content-type": "application/json"}).expect(400)
    service.post("/api/v1/links", {"url": "https://www.example.com/"}, headers={"content-type": "text/csv"}).expect(415)
    service.get("/api/v1/links?limit=0").expect(400)
    service.get("/api/v1/links?tags=x").expect(400)
    service.get("/api/v1/links/lnk_1").expect(400, 404)
    for slug in ("%00", "%ff", "..%2f", "a%20b", "%F0%9F%98%80", "x" * 300):
        service.follow(slug).expect(404)


def test_what_is_not_there_says_so(service, anyone):
    for method, path in (("GET", "/api/v1/nothing"), ("POST", "/api/v2/links"), ("GET", "/a/b/c")):
        answer = service.ask(method, path).expect(404)
        assert answer.header("content-type") == "application/problem+json"
    # A path that is there, by another method.
    refused = service.ask("PUT", "/api/v1/links", {}).expect(404, 405)
    assert json.loads(refused.body)["status"] == refused.status
    page = anyone.http.ask("GET", f"/{word()}", headers={"accept": "text/html"}).expect(404)
    assert page.header("content-type").startswith("text/html")


def test_pages_that_belong_to_nobody(anyone):
    anyone.get("/").expect(200)
    assert anyone.get("/api/v1/health").expect(200)["status"] == "ok"
    assert "User-agent" in anyone.get("/robots.txt").expect(200).text
    assert re.fullmatch(r"[\w-]{8,}=*", anyone.get("/").header("x-request-id") or "")
