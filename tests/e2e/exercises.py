"""For each function, the shortest use of it that needs every one of its permissions.

`test_permissions.py` takes the permissions away one by one, and demands that the function's exercise
fails. So an exercise looks at all that a missing permission spoils: also at what is left out in
silence, such as the header of a limit that could not be counted.
"""

import json
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode

from signpost.lake import Lake, raw_key
from signpost.service import TOOL, basic, new_password, ulid, until

EXERCISES = {}
EVENTS = Path(__file__).resolve().parents[2] / "events"


def exercise(function):
    EXERCISES[function.__name__.replace("_", "-")] = function
    return function


class World:
    """Whom the exercises need; made once."""

    def __init__(self, anyone, owner, elsewhere, context):
        self.anyone, self.owner, self.context = anyone, owner, context
        self.cloud = anyone.cloud
        self.lake = Lake(self.cloud)
        run(self, "rotate-salts")
        # Nobody takes away what an exercise has put into the bucket.
        self.cloud.pause("compact-clicks")
        self.service = owner.in_workspace()
        self.elsewhere = owner.in_workspace(elsewhere.workspace)
        self.guest = self.service.person()
        self.link = self.service.link(slug="e2e-" + secrets.token_hex(5), tags=["e2e-exercise"])
        self.service.follow(self.link["slug"]).expect(302)
        self.service.counted(self.link, 1)


def counted(answer):
    """The caller's limit was counted: else the answer says the policy only."""
    assert answer.header("ratelimit"), f"{answer.asked}: no limit was counted: {answer.headers.items()}"
    return answer


def once(service, path, body):
    """A request and its repetition: the second answer is the first one, kept."""
    key = {"idempotency-key": secrets.token_hex(16)}
    first = counted(service.post(path, body, headers=key).expect(201))
    again = service.post(path, body, headers=key).expect(201)
    assert again.header("idempotency-replayed") == "true" and again.json == first.json
    return first.json


def click(link, workspace):
    return json.dumps({
        "v": 1, "id": f"clk_{ulid()}", "link": link["id"], "workspace": workspace,
        "domain": link["domain"], "slug": link["slug"], "shard": 0, "status": 302,
    })


# --- Links ------------------------------------------------------------------------------------------


@exercise
def create_link(world):
    slug = "e2e-" + secrets.token_hex(5)
    once(world.service, "/api/v1/links", {"url": "https://www.example.com/", "slug": slug, "tags": ["x"]})


@exercise
def get_link(world):
    assert world.service.get(f"/api/v1/links/{world.link['id']}").expect(200)["clicks"]["total"] == 1


@exercise
def update_link(world):
    path = f"/api/v1/links/{world.service.link(tags=['a'], max_clicks=5)['id']}"
    slug = "e2e-" + secrets.token_hex(5)
    counted(world.service.patch(path, {"slug": slug, "tags": ["b"], "max_clicks": 9}).expect(200))
    edited = world.service.patch(path, {"aliases": [], "tags": [], "max_clicks": None}).expect(200)
    assert (edited["aliases"], edited["tags"], edited["max_clicks"]) == ([], [], None)


@exercise
def delete_link(world):
    link = world.service.link(tags=["a"], max_clicks=5)
    counted(world.service.delete(f"/api/v1/links/{link['id']}").expect(204))
    world.service.follow(link["slug"]).expect(410)
    # One with its clicks, at once and as an afterthought; and how far that is.
    for it in (world.service.link(tags=["a"]), link, link):
        ordered = world.service.delete(f"/api/v1/links/{it['id']}?purge=true").expect(202)
        assert ordered["id"] == it["id"]


@exercise
def list_links(world):
    for query in ("", "tag=e2e-exercise", f"q={world.link['slug']}", f"tag=e2e-exercise&q={world.link['slug']}"):
        links = world.service.get(f"/api/v1/links?limit=100&{query}").expect(200)["items"]
        assert world.link["id"] in {link["id"] for link in links}, query


@exercise
def link_stats(world):
    stats = world.service.get(f"/api/v1/links/{world.link['id']}/stats").expect(200)
    assert stats["totals"]["clicks"] == 1


@exercise
def workspace_stats(world):
    # In one that has few links: where there are many, not each is named, and clicks are not read one by one.
    few = world.owner.in_workspace(once(world.service, "/api/v1/workspaces", {"name": "Few"})["id"])
    link = few.link()
    few.follow(link["slug"]).expect(302)
    few.counted(link, 1)
    path = time.strftime("/api/v1/stats?from=%Y-%m-%d", time.gmtime(time.time() - 86_400))
    (named,) = few.get(f"{path}&dimensions=link").expect(200)["breakdown"]["link"]
    assert (named["value"], named["clicks"]) == (link["id"], 1)
    assert few.get(f"{path}&filter=browser:Firefox,os:Linux").expect(200)["totals"]["clicks"] == 1


@exercise
def orphan_stats(world):
    world.service.get("/api/v1/stats/orphans?dimensions=slug").expect(200)


@exercise
def list_clicks(world):
    assert len(world.service.get(f"/api/v1/links/{world.link['id']}/clicks").expect(200)["items"]) == 1


# --- Clicks -----------------------------------------------------------------------------------------


@exercise
def redirect(world):
    link, limited = world.service.link(), world.service.link(max_clicks=1)
    begin = time.time()
    world.service.follow(limited["slug"]).expect(302)
    world.service.follow(limited["slug"]).expect(410)
    world.service.follow(link["slug"]).expect(302)

    def look():
        # Who follows a link is served all the same: what went wrong behind is in the log only.
        lost = [line for line in world.cloud.lines("redirect", begin) if "lost_click" in line or "no salt" in line]
        assert not lost, lost[0]
        return world.service.clicks(link)["total"] == 1

    until(20, "the click is counted", look)


@exercise
def record_clicks(world):
    service = world.elsewhere
    link, total = service.link(), 0

    def batch(count):
        failed = service.record(*(click(link, service.workspace) for _ in range(count)))
        assert failed == [], failed

    batch(1)
    assert service.clicks(link)["total"] == 1
    # Batches that meet each other at one link again and again spread it over more shards.
    for _ in range(3):
        with ThreadPoolExecutor(10) as pool:
            list(pool.map(batch, [60] * 10))
        total += 600
        row = world.cloud.row("links", f"W#{service.workspace}", f"L#{link['id']}")
        if int(row.get("click_shards", {"N": "1"})["N"]) > 1:
            break
    else:
        raise AssertionError(f"after {total} clicks at once it has one shard only: {row}")
    assert service.clicks(link)["total"] == 1 + total


def run(world, worker):
    """Has a worker do its work now, as its schedule does."""
    return world.cloud.invoke(worker, json.loads((EVENTS / worker / "minimal.json").read_text()))


@exercise
def rotate_salts(world):
    run(world, "rotate-salts")


@exercise
def compact_clicks(world):
    link = world.service.link()
    for number in range(2):
        # The second time the file of the hour is there. A line that nobody can read goes aside.
        assert world.service.record(click(link, world.service.workspace)) == []
        world.lake.put(raw_key(ulid()), b"no click at all\n")
        run(world, "compact-clicks")
        assert len(world.lake.rows(link)) == number + 1
    assert world.lake.lines(link) == []


@exercise
def purge_clicks(world):
    # A link, of which one click is in a file, and the other in a batch with one of its neighbour.
    link, other = world.service.link(), world.service.link()
    assert world.service.record(click(link, world.service.workspace)) == []
    run(world, "compact-clicks")
    assert world.service.record(*(click(it, world.service.workspace) for it in (link, other))) == []
    path = f"/api/v1/links/{link['id']}?purge=true"
    world.service.delete(path).expect(202)
    assert world.service.purge(link["id"]) == []
    assert world.service.delete(path).expect(202)["purged_at"]
    assert world.lake.lines(link) + world.lake.rows(link) == []
    assert len(world.lake.lines(other)) == 1

    # A workspace, with all that is in it.
    owner, name = world.service.person(), f"Short-lived {secrets.token_hex(3)}"
    made = once(owner.service, "/api/v1/workspaces", {"name": name})["id"]
    inside = owner.in_workspace(made)
    link = inside.link(tags=["a"])
    inside.key("links:read")
    inside.invite(f"{secrets.token_hex(6)}@people.example").expect(201)
    assert world.service.record(click(link, made)) == []
    inside.delete(f"/api/v1/workspaces/{made}?{urlencode({'confirm': name})}").expect(202, 204)
    assert world.service.purge(made) == []
    assert "first_at" in world.cloud.row("clicks", "P", made)
    assert world.service.follow(link["slug"]).expect(404, 410)


@exercise
def verify_ledger(world):
    run(world, "verify-ledger")


# --- People -----------------------------------------------------------------------------------------


@exercise
def register_user(world):
    email, password = f"{secrets.token_hex(6)}@people.example", new_password()
    invitation = world.service.invite(email).expect(201)["token"]
    body = {"email": email, "name": "Robin Example", "password": password, "invitation": invitation}
    once(world.anyone, "/api/v1/users", body)


@exercise
def get_user(world):
    me = world.guest.service.get("/api/v1/users/me").expect(200).json
    assert (me["email"], len(me["workspaces"])) == (world.guest.email, 1)


@exercise
def update_user(world):
    person = world.service.person()
    change = {"name": "Sam Example", "password": new_password(), "current_password": person.password}
    edited = counted(person.service.patch("/api/v1/users/me", change).expect(200))
    assert (edited["name"], len(edited["workspaces"])) == ("Sam Example", 1)


@exercise
def create_workspace(world):
    # Of people who come and go: the first owner would be in ever more of them.
    once(world.service.person().service, "/api/v1/workspaces", {"name": "Made"})


@exercise
def get_workspace(world):
    world.service.get(f"/api/v1/workspaces/{world.service.workspace}").expect(200)


@exercise
def update_workspace(world):
    path = f"/api/v1/workspaces/{world.elsewhere.workspace}"
    name = f"Elsewhere {secrets.token_hex(3)}"
    assert counted(world.elsewhere.patch(path, {"name": name}).expect(200))["name"] == name
    assert world.elsewhere.get(path).expect(200)["name"] == name


@exercise
def delete_workspace(world):
    owner, name = world.service.person(), f"Short-lived {secrets.token_hex(3)}"
    made = once(owner.service, "/api/v1/workspaces", {"name": name})["id"]
    inside = owner.in_workspace(made)
    counted(inside.delete(f"/api/v1/workspaces/{made}?{urlencode({'confirm': name})}").expect(202, 204))
    assert "ordered_at" in world.cloud.row("clicks", "P", made)


@exercise
def list_workspaces(world):
    assert len(world.guest.service.get("/api/v1/workspaces").expect(200)["items"]) == 1


@exercise
def list_members(world):
    members = world.service.get(f"/api/v1/workspaces/{world.service.workspace}/members?limit=100").expect(200)
    assert world.owner.email in {member["email"] for member in members["items"]}


@exercise
def update_member(world):
    path = f"/api/v1/workspaces/{world.service.workspace}/members/{world.guest.id}"
    # There and back: each is a change, whatever was before.
    for role in ("owner", "member"):
        assert counted(world.service.patch(path, {"role": role}).expect(200))["role"] == role


@exercise
def delete_member(world):
    token = world.elsewhere.invite(world.guest.email, "owner").expect(201, 409)
    if token.status == 201:
        world.guest.service.post("/api/v1/invitations/accept", {"token": token["token"]}).expect(201)
    path = f"/api/v1/workspaces/{world.elsewhere.workspace}/members"
    counted(world.elsewhere.delete(f"{path}/{world.guest.id}").expect(204))
    members = world.elsewhere.get(path).expect(200)["items"]
    assert world.guest.id not in {member["user_id"] for member in members}


@exercise
def create_invitation(world):
    once(world.service, "/api/v1/invitations", {"email": f"{secrets.token_hex(6)}@people.example"})


@exercise
def list_invitations(world):
    made = world.service.invite(f"{secrets.token_hex(6)}@people.example").expect(201)["id"]
    ids, query = [], "limit=100"
    while query:
        page = world.service.get(f"/api/v1/invitations?{query}").expect(200).json
        ids += [it["id"] for it in page["items"]]
        query = page["next"] and f"limit=100&cursor={page['next']}"
    assert made in ids


@exercise
def accept_invitation(world):
    # An owner more is counted, too.
    token = world.elsewhere.invite(world.guest.email, "owner").expect(201)["token"]
    once(world.guest.service, "/api/v1/invitations/accept", {"token": token})
    path = f"/api/v1/workspaces/{world.elsewhere.workspace}/members/{world.guest.id}"
    world.elsewhere.delete(path).expect(204)


@exercise
def delete_invitation(world):
    made = world.service.invite(f"{secrets.token_hex(6)}@people.example").expect(201)["id"]
    counted(world.service.delete(f"/api/v1/invitations/{made}").expect(204))
    world.service.delete(f"/api/v1/invitations/{made}").expect(404)


@exercise
def list_audit_events(world):
    assert world.service.get("/api/v1/audit").expect(200)["items"]


# --- Credentials ------------------------------------------------------------------------------------


@exercise
def create_key(world):
    once(world.service, "/api/v1/keys", {"name": "e2e", "scopes": ["links:read"]})


@exercise
def list_keys(world):
    made = world.service.key("links:read")
    ids, query = [], "limit=100"
    while query:
        page = world.service.get(f"/api/v1/keys?{query}").expect(200).json
        ids += [it["id"] for it in page["items"]]
        query = page["next"] and f"limit=100&cursor={page['next']}"
    assert made["id"] in ids


@exercise
def delete_key(world):
    made = world.service.key("links:read")
    counted(world.service.delete(f"/api/v1/keys/{made['id']}").expect(204))
    assert world.anyone.authorizer(made["key"]) == {"auth": "invalid"}


@exercise
def authorize(world):
    made = world.service.key("links:read")
    assert world.anyone.authorizer(made["key"])["auth"] == "ok"
    assert world.anyone.authorizer(world.service.token)["workspace"] == world.service.workspace
    row = world.cloud.row("accounts", f"K#{made['id']}", "K")
    assert row and "last_used_at" in row, row


@exercise
def issue_token(world):
    person = world.guest
    begun = counted(world.anyone.sign_in(person.email, person.password).expect(200))
    assert begun["workspace"] == world.service.workspace
    refreshed = world.anyone.tokens(grant_type="refresh_token", refresh_token=begun["refresh_token"]).expect(200)
    assert refreshed["workspace"] == world.service.workspace
    made = world.service.key("links:read")
    world.anyone.tokens(basic(made["id"], made["key"]), grant_type="client_credentials").expect(200)
    world.anyone.sign_in_at_work(f"{secrets.token_hex(6)}@{world.context['oidc_domain']}").expect(200)


@exercise
def revoke_token(world):
    tokens = world.anyone.sign_in(world.guest.email, world.guest.password).expect(200).json
    other = world.anyone.sign_in(world.guest.email, world.guest.password).expect(200).json
    counted(world.anyone.http.ask("POST", "/oauth/revoke", form={"token": tokens["access_token"]}).expect(200))
    world.anyone.http.ask("POST", "/oauth/revoke", form={"token": other["refresh_token"]}).expect(200)
    for token in (tokens["access_token"], other["access_token"]):
        assert world.anyone.authorizer(token) == {"auth": "invalid"}


@exercise
def start_sign_in(world):
    begun = counted(world.anyone.begin_sign_in(secrets.token_urlsafe(40)).expect(302))
    assert not begun.header("location").startswith(TOOL), begun.header("location")


@exercise
def finish_sign_in(world):
    email = f"{secrets.token_hex(6)}@{world.context['oidc_domain']}"
    # Made, found, and linked to somebody who registered with a password.
    for _ in range(2):
        world.anyone.sign_in_at_work(email).expect(200)
    known = f"{secrets.token_hex(6)}@{world.context['oidc_domain']}"
    invitation = world.service.invite(known).expect(201)["token"]
    world.anyone.register(known, new_password(), invitation=invitation).expect(201)
    world.anyone.sign_in_at_work(known).expect(200)


@exercise
def get_jwks(world):
    assert world.anyone.get("/.well-known/jwks.json").expect(200)["keys"]
