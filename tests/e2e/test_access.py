"""Who is let in: the authorizer and the scopes, through the real gateway."""

import secrets
import time

import pytest
from signpost.service import basic, until

PATHS = ["/api/v1/links", "/api/v1/keys", "/api/v1/audit", "/api/v1/users/me", "/api/v1/workspaces"]


def headers(value):
    return {"authorization": value}


@pytest.mark.parametrize("path", PATHS)
def test_without_credentials_nobody_is_let_in(anyone, path):
    answer = anyone.get(path).expect(401)
    # The gateway itself refuses what has no credentials at all.
    assert "items" not in answer.text


GARBAGE = {
    "a word": "Bearer garbage",
    "no scheme": "garbage",
    "another scheme": "Basic dXNlcjpzZWNyZXQ=",
    "nothing after the scheme": "Bearer",
    "a key that nobody made": "Bearer sp_" + "0" * 26 + "x" * 49,
    "a token without a signature": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1c3JfMSJ9.",
    "a very long one": "Bearer " + "x" * 4000,
}


@pytest.mark.parametrize("what", GARBAGE)
def test_garbage_is_refused_as_a_problem(anyone, what):
    answer = anyone.get("/api/v1/links", headers=headers(GARBAGE[what])).expect(401)
    assert answer.header("content-type") == "application/problem+json"
    assert "Bearer" in answer.header("www-authenticate")


def test_a_token_that_was_changed_is_refused(anyone, service):
    head, claims, signature = service.token.split(".")
    swapped = signature[:-2] + ("AA" if signature[-2:] != "AA" else "BB")
    anyone.with_token(f"{head}.{claims}.{swapped}").get("/api/v1/links").expect(401)
    unsigned = "eyJhbGciOiJub25lIn0"
    anyone.with_token(f"{unsigned}.{claims}.").get("/api/v1/links").expect(401)


def test_a_key_that_is_nearly_right_is_refused(anyone, service):
    key = service.key("links:read")["key"]
    anyone.with_token(key).get("/api/v1/links").expect(200)
    wrong = key[:-1] + ("A" if key[-1] != "A" else "B")
    anyone.with_token(wrong).get("/api/v1/links").expect(401)


def test_a_revoked_key_is_refused_within_a_minute(anyone, service):
    made = service.key("links:read")
    program = anyone.with_token(made["key"])
    program.get("/api/v1/links").expect(200)
    service.delete(f"/api/v1/keys/{made['id']}").expect(204)
    begin = time.monotonic()

    def refused():
        return program.get("/api/v1/links").expect(200, 401).status == 401

    until(65, "the gateway has forgotten who that was", refused, every=1)
    assert time.monotonic() - begin < 65


def test_a_scope_that_is_too_small_is_refused(anyone, service):
    link = service.link()
    path = f"/api/v1/links/{link['id']}"
    reader = anyone.with_token(service.key("links:read")["key"])
    reader.get(path).expect(200)
    for method, path, body in (
        ("POST", "/api/v1/links", {"url": "https://www.example.com/"}),
        ("PATCH", path, {"title": "x"}),
        ("DELETE", path, None),
        ("GET", f"{path}/stats", None),
        ("GET", f"{path}/clicks", None),
        ("GET", "/api/v1/keys", None),
        ("GET", "/api/v1/audit", None),
        ("GET", "/api/v1/users/me", None),
    ):
        answer = reader.ask(method, path, body).expect(403)
        assert answer["type"].startswith("urn:"), answer.text
    counter = anyone.with_token(service.key("stats:read")["key"])
    counter.get(f"/api/v1/links/{link['id']}/stats").expect(200)
    counter.get(f"/api/v1/links/{link['id']}").expect(403)


def test_a_token_for_fewer_scopes_can_do_less(anyone, service):
    made = service.key("links:read", "links:write")
    token = anyone.tokens(
        basic(made["id"], made["key"]), grant_type="client_credentials", scope="links:read"
    ).expect(200)
    assert token["scope"] == "links:read"
    anyone.with_token(token["access_token"]).post("/api/v1/links", {"url": "https://www.example.com/"}).expect(403)


def test_what_another_workspace_has_does_not_exist(service, elsewhere):
    link = service.link(slug="e2e-" + secrets.token_hex(5))
    path = f"/api/v1/links/{link['id']}"
    nothing = elsewhere.get("/api/v1/links/lnk_01M6DQS9M08V7Q2K4N6T9W3X5Y").expect(404).json
    foreign = elsewhere.get(path).expect(404).json
    assert {name: it for name, it in foreign.items() if name != "instance"} == {
        name: it for name, it in nothing.items() if name != "instance"
    }
    elsewhere.patch(path, {"title": "x"}).expect(404)
    elsewhere.delete(path).expect(404)
    elsewhere.get(f"{path}/stats").expect(404)
    elsewhere.get(f"{path}/clicks").expect(404)
    elsewhere.delete(f"/api/v1/keys/{service.key('links:read')['id']}").expect(404)
    assert link["id"] not in elsewhere.get("/api/v1/links").expect(200).text
    service.get(path).expect(200)


def test_what_an_address_says_of_itself_is_not_believed(service):
    """Nothing that a caller sends as if the gateway had said it makes them somebody else."""
    forged = {"x-principal": "usr_1", "x-amzn-request-context": "{}", "cloudfront-viewer-address": "198.51.100.23:4444"}
    service.with_token(None).get("/api/v1/links", headers=forged).expect(401)
