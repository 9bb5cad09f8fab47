"""HTTP as it goes over the wire: no redirect is followed, no error is raised, nothing is kept."""

import base64
import http.client
import json
import time
import urllib.parse
from dataclasses import dataclass


# What must never be in a log: passwords, addresses and whatever opens something, as they were sent
# and answered in this process.
SECRETS = set()
SECRET_FIELDS = {"access_token", "refresh_token", "password", "username", "email", "key", "token", "code"}


def remember(fields):
    for name, value in fields.items():
        if name in SECRET_FIELDS and isinstance(value, str):
            SECRETS.add(value)


@dataclass
class Answer:
    """What was answered to one request."""

    asked: str
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    @property
    def json(self):
        return json.loads(self.body)

    def __getitem__(self, name):
        return self.json[name]

    def header(self, name):
        return self.headers.get(name)

    def cookies(self):
        """The cookies that it sets, as a browser sends them back."""
        return "; ".join(it.split(";", 1)[0] for it in self.headers.get_all("set-cookie") or [])

    def expect(self, *statuses):
        """This answer, if it has one of these statuses; else an error that says what came instead."""
        assert self.status in statuses, f"{self.asked} answered {self.status}, not {statuses}: {self.text[:600]}"
        return self


class Http:
    """One host, reached at an address that may be another one's."""

    def __init__(self, address, host):
        self.address = address
        self.host = host

    def ask(self, method, path, *, headers=None, json_body=None, form=None, body=None):
        sent = {"host": self.host, "accept": "*/*", "user-agent": BROWSER}
        if json_body is not None:
            kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
            body, sent["content-type"] = json.dumps(json_body).encode(), kind
        if isinstance(json_body, dict):
            remember(json_body)
        if form is not None:
            remember(form)
            body = urllib.parse.urlencode(form).encode()
            sent["content-type"] = "application/x-www-form-urlencoded"
        for name, value in (headers or {}).items():
            sent[name.lower()] = value
        connection = http.client.HTTPConnection(self.address, timeout=30)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in sent.items():
                if value is not None:
                    connection.putheader(name, value)
            if body is not None:
                connection.putheader("content-length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            answer = Answer(f"{method} {path}", response.status, response.headers, response.read())
        finally:
            connection.close()
        # Some gateways call an empty body JSON.
        if answer.body and response.headers.get_content_type() == "application/json":
            remember(answer.json if isinstance(answer.json, dict) else {})
        return answer


# A person's: its clicks are human ones.
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"


def basic(name, secret):
    """The header by which a program says who it is at `/oauth/token`."""
    pair = f"{urllib.parse.quote(name)}:{urllib.parse.quote(secret)}"
    return {"authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def until(seconds, what, look, every=0.1):
    """What `look` answers as soon as it is true; an error that says `what` when the time is over."""
    end = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(every)
