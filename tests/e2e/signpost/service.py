"""The product, as its callers see it."""

import hashlib
import http.client
import json
import secrets
import time
import urllib.parse

from .cloud import Cloud
from .http import BROWSER, Http, basic, until
from .provider import CLIENT, text

OWN_CLIENT = "signpost"
# Where a native tool would listen. Nobody does: the browser is played by the test.
TOOL = "http://127.0.0.1:4711/back"


class Service:
    """The deployment, and whoever calls it with one set of credentials."""

    def __init__(self, context):
        self.context = context
        self.cloud = Cloud(context)
        self.http = Http(context["address"], context["host"])
        self.url = context["url"]
        self.token = self.workspace = None

    def __repr__(self):
        return f"Service({self.url})"

    def with_token(self, token, workspace=None):
        """The same for another caller."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__, token=token, workspace=workspace)
        return other

    def ask(self, method, path, json_body=None, *, headers=None, **more):
        sent = {"authorization": f"Bearer {self.token}"} if self.token else {}
        sent.update(headers or {})
        return self.http.ask(method, path, headers=sent, json_body=json_body, **more)

    def get(self, path, **more):
        return self.ask("GET", path, **more)

    def post(self, path, body=None, **more):
        return self.ask("POST", path, body, **more)

    def patch(self, path, body, **more):
        return self.ask("PATCH", path, body, **more)

    def delete(self, path, **more):
        return self.ask("DELETE", path, **more)

    # --- Links and clicks -------------------------------------------------------------------

    def link(self, **fields):
        """A new link."""
        fields.setdefault("url", f"https://www.example.com/{secrets.token_hex(4)}")
        return self.post("/api/v1/links", fields).expect(201).json

    def follow(self, slug, *, method="GET", browser=BROWSER, **headers):
        """What somebody gets who follows a short link; without any credentials."""
        return self.http.ask(method, f"/{slug}", headers={"user-agent": browser, **headers})

    def clicks(self, link):
        return self.get(f"/api/v1/links/{link['id']}").expect(200)["clicks"]

    def counted(self, link, total, seconds=30):
        """Waits until exactly so many clicks are counted."""

        def look():
            clicks = self.clicks(link)
            assert clicks["total"] <= total, f"{clicks['total']} clicks are counted, {total} were made"
            return clicks if clicks["total"] == total else None

        return until(seconds, f"{total} clicks counted", look)

    # --- People -----------------------------------------------------------------------------

    def sign_in(self, email, password, **more):
        """Tokens for a person."""
        form = {"grant_type": "password", "client_id": OWN_CLIENT, "username": email, "password": password}
        return self.http.ask("POST", "/oauth/token", form=form | more)

    def tokens(self, headers=None, **form):
        return self.http.ask("POST", "/oauth/token", form=form, headers=headers)

    def invite(self, email, role="member", **more):
        return self.post("/api/v1/invitations", {"email": email, "role": role}, **more)

    def register(self, email, password, **more):
        body = {"email": email, "name": "Robin Example", "password": password, **more}
        return self.http.ask("POST", "/api/v1/users", json_body=body)

    def key(self, *scopes, **more):
        """A new API key with these scopes."""
        body = {"name": "e2e", "scopes": list(scopes), **more}
        return self.post("/api/v1/keys", body).expect(201).json

    def person(self, role="member"):
        """Somebody new in this caller's workspace, signed in."""
        email, password = f"{secrets.token_hex(6)}@people.example", new_password()
        invitation = self.invite(email, role).expect(201)["token"]
        user = self.register(email, password, invitation=invitation).expect(201).json
        return Person(self, email, password, user)

    # --- The identity provider --------------------------------------------------------------

    def begin_sign_in(self, verifier, **more):
        challenge = text(hashlib.sha256(verifier.encode()).digest())
        query = {
            "response_type": "code", "client_id": OWN_CLIENT, "redirect_uri": TOOL, "state": "mine",
            "code_challenge": challenge, "code_challenge_method": "S256", **more,
        }
        return self.http.ask("GET", "/oauth/authorize?" + urllib.parse.urlencode(query))

    def at_provider(self, location, person):
        """What the provider's page does when somebody signs in there: where it sends the browser."""
        url = urllib.parse.urlsplit(location)
        connection = http.client.HTTPConnection(url.netloc, timeout=10)
        try:
            connection.request("GET", f"{url.path}?{url.query}&{urllib.parse.urlencode({'person': person})}")
            back = urllib.parse.urlsplit(connection.getresponse().headers["location"])
        finally:
            connection.close()
        return f"{back.path}?{back.query}"

    def sign_in_at_work(self, email):
        """The whole way through the identity provider: the answer with the tokens."""
        verifier = secrets.token_urlsafe(40)
        begun = self.begin_sign_in(verifier).expect(302)
        back = self.at_provider(begun.header("location"), email)
        finished = self.http.ask("GET", back, headers={"cookie": begun.cookies()}).expect(302)
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(finished.header("location")).query))
        assert query.get("state") == "mine" and "code" in query, finished.header("location")
        return self.tokens(
            grant_type="authorization_code", client_id=OWN_CLIENT, code=query["code"],
            redirect_uri=TOOL, code_verifier=verifier,
        )

    # --- Triggers ---------------------------------------------------------------------------

    def authorizer(self, token):
        """What the authorizer says of some credentials, asked past the gateway's memory."""
        event = {
            "version": "2.0", "type": "REQUEST", "identitySource": [f"Bearer {token}"],
            "routeKey": "GET /api/v1/links", "rawPath": "/api/v1/links", "headers": {},
            "requestContext": {"http": {"method": "GET", "path": "/api/v1/links"}, "stage": "$default"},
        }
        answer = self.cloud.invoke("authorize", event)
        assert answer["isAuthorized"] is True, answer
        return answer["context"]

    def record(self, *bodies):
        """Hands messages to `record-clicks` as the queue does: those that failed."""
        return self.handle("record-clicks", "clicks", *bodies)

    def purge(self, target, **more):
        """Hands a purge to `purge-clicks`, without the time that it waits in its queue."""
        body = {"v": 1, "target": target, "look": 1} | more
        return self.handle("purge-clicks", "purges", json.dumps(body))

    def handle(self, worker, queue, *bodies):
        queue = f"arn:aws:sqs:{self.cloud.region}:000000000000:{self.cloud.name}-{queue}"
        event = {"Records": [
            {
                "messageId": str(number), "receiptHandle": "-", "body": body, "attributes": {},
                "messageAttributes": {}, "eventSource": "aws:sqs", "eventSourceARN": queue,
                "awsRegion": self.cloud.region,
            }
            for number, body in enumerate(bodies)
        ]}
        return self.cloud.invoke(worker, event)["batchItemFailures"]


class Person:
    """Somebody with an account and a password."""

    def __init__(self, service, email, password, user):
        self.email, self.password, self.user = email, password, user
        self.id = user["id"]
        self.outside = service.with_token(None)
        self._service = None

    @property
    def service(self):
        """The product with this person's access token, taken when it is needed first."""
        if self._service is None:
            self._service = self.in_workspace()
        return self._service

    def in_workspace(self, workspace=None):
        more = {"workspace": workspace} if workspace else {}
        tokens = self.outside.sign_in(self.email, self.password, **more).expect(200)
        return self.outside.with_token(tokens["access_token"], tokens.json.get("workspace"))


CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def ulid(moment=None):
    """A new id's 26 characters, made as the product makes them."""
    value = (int((moment or time.time()) * 1000) << 80) | secrets.randbits(80)
    return "".join(CROCKFORD[(value >> 5 * place) & 31] for place in reversed(range(26)))


def new_password():
    return "correct " + secrets.token_urlsafe(12)


__all__ = ["BROWSER", "CLIENT", "OWN_CLIENT", "TOOL", "Person", "Service", "basic", "new_password", "ulid", "until"]
