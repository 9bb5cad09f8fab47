"""People, workspaces, invitations, keys, sessions, and what is written down of them."""

import base64
import json
import secrets

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from signpost.service import OWN_CLIENT, basic, new_password


def decoded(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_signing_up_is_closed_again(anyone):
    """The first owner came in by `SIGNUP=open`, which was taken back by the second apply."""
    answer = anyone.register(f"{secrets.token_hex(6)}@people.example", new_password(), workspace="Mine")
    assert "invitation" in answer.expect(403)["detail"]


def test_the_first_owner_has_the_first_workspace(service, owner):
    me = service.get("/api/v1/users/me").expect(200).json
    assert me["email"] == owner.email
    assert me["workspaces"][0]["role"] == "owner"
    workspace = me["workspaces"][0]["id"]
    found = service.get(f"/api/v1/workspaces/{workspace}").expect(200)
    assert found["name"] == "First" and found["role"] == "owner"
    renamed = service.patch(f"/api/v1/workspaces/{workspace}", {"name": "First of all"})
    assert renamed.expect(200)["name"] == "First of all"
    service.patch(f"/api/v1/workspaces/{workspace}", {"name": "First"}).expect(200)


def test_an_access_token_is_signed_by_the_published_key(service, owner, anyone):
    metadata = anyone.get("/.well-known/openid-configuration").expect(200).json
    assert metadata["issuer"] == service.url
    assert metadata["jwks_uri"] == f"{service.url}/.well-known/jwks.json"
    keys = {key["kid"]: key for key in anyone.get("/.well-known/jwks.json").expect(200)["keys"]}
    head, claims, signature = service.token.split(".")
    header = json.loads(decoded(head))
    key = keys[header["kid"]]
    assert (header["alg"], key["kty"], key["crv"]) == ("ES256", "EC", "P-256")
    x, y = (int.from_bytes(decoded(key[name]), "big") for name in ("x", "y"))
    public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    raw = decoded(signature)
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    # Raises if it is not of this key.
    public.verify(utils.encode_dss_signature(r, s), f"{head}.{claims}".encode(), ec.ECDSA(hashes.SHA256()))
    claims = json.loads(decoded(claims))
    assert claims["iss"] == service.url and claims["sub"] == owner.id
    assert claims["exp"] - claims["iat"] <= 15 * 60


def test_an_invitation_lets_one_address_in_once(service):
    person = service.person("viewer")
    members = service.get(f"/api/v1/workspaces/{service.workspace}/members?limit=100").expect(200)["items"]
    assert {member["email"]: member["role"] for member in members}[person.email] == "viewer"
    person.service.post("/api/v1/links", {"url": "https://www.example.com/"}).expect(403)
    service.patch(f"/api/v1/workspaces/{service.workspace}/members/{person.id}", {"role": "member"}).expect(200)
    promoted = person.in_workspace()
    promoted.post("/api/v1/links", {"url": "https://www.example.com/"}).expect(201)
    service.delete(f"/api/v1/workspaces/{service.workspace}/members/{person.id}").expect(204)
    # Not the token that the gateway may still remember: a new one is for no workspace.
    tokens = person.outside.sign_in(person.email, person.password).expect(200).json
    assert "workspace" not in tokens


def test_somebody_accepts_an_invitation_to_another_workspace_and_leaves(service, elsewhere):
    person = service.person()
    invitation = elsewhere.invite(person.email, "admin").expect(201)
    listed = elsewhere.get("/api/v1/invitations?limit=100").expect(200)["items"]
    assert invitation["id"] in {it["id"] for it in listed}
    assert all("token" not in it for it in listed)
    joined = person.service.post("/api/v1/invitations/accept", {"token": invitation["token"]}).expect(201)
    assert joined["role"] == "admin"
    home = elsewhere.workspace
    there = person.in_workspace(home)
    assert len(there.get("/api/v1/workspaces").expect(200)["items"]) == 2
    there.delete(f"/api/v1/workspaces/{home}/members/me").expect(204)
    assert len(person.in_workspace().get("/api/v1/workspaces").expect(200)["items"]) == 1


def test_an_invitation_that_is_taken_back_opens_nothing(service, anyone):
    email = f"{secrets.token_hex(6)}@people.example"
    invitation = service.invite(email).expect(201)
    service.delete(f"/api/v1/invitations/{invitation['id']}").expect(204)
    anyone.register(email, new_password(), invitation=invitation["token"]).expect(400)


def test_a_key_is_shown_once_and_ends_when_it_is_deleted(service, anyone):
    made = service.key("links:read", "links:write")
    program = anyone.with_token(made["key"])
    link = program.link()
    program.get(f"/api/v1/links/{link['id']}").expect(200)
    tokens = anyone.tokens(basic(made["id"], made["key"]), grant_type="client_credentials").expect(200).json
    anyone.with_token(tokens["access_token"]).get("/api/v1/links").expect(200)
    listed = {key["id"]: key for key in service.get("/api/v1/keys?limit=100").expect(200)["items"]}
    assert "key" not in listed[made["id"]]
    assert listed[made["id"]]["last_used_at"] is not None
    service.delete(f"/api/v1/keys/{made['id']}").expect(204)
    # Asked past the gateway, which remembers for a minute who that was.
    for token in (made["key"], tokens["access_token"]):
        assert anyone.authorizer(token) == {"auth": "invalid"}
    anyone.tokens(basic(made["id"], made["key"]), grant_type="client_credentials").expect(401)


def test_a_key_with_a_limit_of_its_own_is_held_back(service, anyone):
    program = anyone.with_token(service.key("links:write", writes_per_minute=1)["key"])
    answers = [program.post("/api/v1/links", {"url": "https://www.example.com/"}) for _ in range(4)]
    statuses = [answer.status for answer in answers]
    assert statuses[0] == 201 and statuses[-1] == 429, statuses
    assert int(answers[-1].header("retry-after")) > 0
    assert answers[-1].header("content-type") == "application/problem+json"


def test_refresh_tokens_follow_each_other_until_they_are_revoked(anyone, service):
    person = service.person()
    first = anyone.sign_in(person.email, person.password).expect(200).json
    refreshed = anyone.tokens(grant_type="refresh_token", refresh_token=first["refresh_token"]).expect(200).json
    assert refreshed["refresh_token"] != first["refresh_token"]
    anyone.http.ask("POST", "/oauth/revoke", form={"token": refreshed["refresh_token"]}).expect(200)
    anyone.tokens(grant_type="refresh_token", refresh_token=refreshed["refresh_token"]).expect(400)
    assert anyone.authorizer(refreshed["access_token"]) == {"auth": "invalid"}


def test_a_revoked_access_token_is_worth_nothing(anyone, service):
    person = service.person()
    token = anyone.sign_in(person.email, person.password).expect(200)["access_token"]
    assert anyone.authorizer(token)["auth"] == "ok"
    anyone.http.ask("POST", "/oauth/revoke", form={"token": token}).expect(200)
    assert anyone.authorizer(token) == {"auth": "invalid"}


def test_a_new_password_ends_what_the_old_one_opened(anyone, service):
    person, new = service.person(), new_password()
    me = "/api/v1/users/me"
    assert person.service.patch(me, {"name": "Sam Example"}).expect(200)["name"] == "Sam Example"
    person.service.patch(me, {"password": new, "current_password": "not this one"}).expect(400)
    person.service.patch(me, {"password": new, "current_password": person.password}).expect(200)
    assert anyone.authorizer(person.service.token) == {"auth": "invalid"}
    assert anyone.sign_in(person.email, person.password).expect(400)["error"] == "invalid_grant"
    anyone.sign_in(person.email, new).expect(200)


def test_people_come_in_by_the_companys_identity_provider(anyone, context):
    email = f"{secrets.token_hex(6)}@{context['oidc_domain']}"
    workspaces = []
    # The first time an account is made, the second time it is found.
    for _ in range(2):
        tokens = anyone.sign_in_at_work(email).expect(200).json
        me = anyone.with_token(tokens["access_token"]).get("/api/v1/users/me").expect(200).json
        assert (me["email"], me["email_verified"]) == (email, True)
        workspaces.append([(it["id"], it["role"]) for it in me["workspaces"]])
    assert workspaces == [[(context["oidc_workspace"], "viewer")]] * 2


def test_whom_nobody_lets_in_is_sent_back_by_the_provider_with_nothing(anyone):
    begun = anyone.begin_sign_in("v" * 50).expect(302)
    back = anyone.at_provider(begun.header("location"), f"{secrets.token_hex(6)}@elsewhere.example")
    # Another browser has no cookie of this sign-in.
    anyone.http.ask("GET", back).expect(400)
    finished = anyone.http.ask("GET", back, headers={"cookie": begun.cookies()}).expect(302)
    assert "error=access_denied" in finished.header("location")


def test_what_was_done_is_in_the_audit_log(service):
    link = service.link()
    service.patch(f"/api/v1/links/{link['id']}", {"title": "Seen"}).expect(200)
    service.delete(f"/api/v1/links/{link['id']}").expect(204)
    events = service.get("/api/v1/audit?limit=100").expect(200)["items"]
    of_link = [event["action"] for event in events if event["subject"] == link["id"]]
    assert of_link == ["link.deleted", "link.updated", "link.created"]


def test_a_client_that_is_none_of_ours_gets_no_token(anyone, owner):
    anyone.tokens(grant_type="password", client_id="other", username=owner.email, password="x").expect(401)
    anyone.tokens(grant_type="implicit", client_id=OWN_CLIENT).expect(400)
    anyone.tokens().expect(400)
