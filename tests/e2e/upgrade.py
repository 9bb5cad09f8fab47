"""From one revision to this one, while people follow links.

Everything that the older one has stored must be there afterwards, every redirect meanwhile must have
been answered, and the counts must be exact.
"""

import io
import itertools
import os
import subprocess
import tarfile
import threading
import time
from collections import Counter
from http.client import HTTPException
from pathlib import Path

from signpost.service import OWN_CLIENT, Person, Service, new_password

FOLLOWERS = 4
PERMANENT = ("id", "domain", "slug", "url", "title", "tags", "aliases", "max_clicks", "redirect_status", "created_at")


def checkout(repository, revision, folder):
    """The files of a revision, without a trace in the repository."""
    done = subprocess.run(["git", "archive", revision], cwd=repository, capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as files:
        for file in files:
            # Made now. Else cargo would take what it has compiled of other sources for newer.
            files.extract(file.replace(mtime=time.time()), folder, filter="tar")
    for needed in ("infra/terraform", "scripts/package"):
        if not (folder / needed).exists():
            raise RuntimeError(f"{revision} has no {needed}: nothing was deployed from it")


class Before:
    """What there is under the older revision: links, clicks, people, keys, sessions."""

    def __init__(self, owner):
        self.owner = owner
        service = owner.service
        self.links = [
            service.link(slug=f"upgrade-{number}", aliases=[f"upgrade-{number}-too"], tags=["kept"], title=f"Link {number}")
            for number in range(8)
        ]
        self.limited = service.link(slug="upgrade-limited", max_clicks=3)
        deleted = service.link(slug="upgrade-deleted")
        service.delete(f"/api/v1/links/{deleted['id']}").expect(204)
        self.clicks = Counter()
        for number, link in enumerate(self.links):
            for _ in range(number + 1):
                self.follow(link)
        self.follow(self.limited)
        for link in self.links:
            service.counted(link, self.clicks[link["id"]])
        self.key = service.key("links:read", "links:write", "stats:read")
        self.member = service.person()
        self.session = service.sign_in(self.member.email, self.member.password).expect(200).json
        self.invited = "invited-before@people.example"
        self.invitation = service.invite(self.invited).expect(201)["token"]
        self.audit = {event["id"] for event in service.get("/api/v1/audit?limit=100").expect(200)["items"]}
        assert self.audit

    def follow(self, link):
        self.owner.outside.follow(link["slug"]).expect(302)
        self.clicks[link["id"]] += 1

    def check(self):
        """All of it, under the newer revision."""
        outside, service = self.owner.outside, self.owner.in_workspace()
        for link in self.links:
            now = service.get(f"/api/v1/links/{link['id']}").expect(200).json
            assert {name: now[name] for name in PERMANENT} == {name: link[name] for name in PERMANENT}
            for slug in (link["slug"], *link["aliases"]):
                assert outside.follow(slug).expect(302).header("location") == link["url"]
                self.clicks[link["id"]] += 1
        listed = service.get("/api/v1/links?tag=kept&limit=100").expect(200)["items"]
        assert {link["id"] for link in listed} == {link["id"] for link in self.links}
        # Of three clicks one was spent before.
        assert [outside.follow(self.limited["slug"]).status for _ in range(3)] == [302, 302, 410]
        self.clicks[self.limited["id"]] += 2
        outside.follow("upgrade-deleted").expect(410)
        for link in (*self.links, self.limited):
            service.counted(link, self.clicks[link["id"]])
            stats = service.get(f"/api/v1/links/{link['id']}/stats").expect(200)["totals"]["clicks"]
            assert stats == self.clicks[link["id"]], (stats, self.clicks[link["id"]])

        program = outside.with_token(self.key["key"])
        program.link(url="https://www.example.com/after")
        refreshed = outside.tokens(
            grant_type="refresh_token", client_id=OWN_CLIENT, refresh_token=self.session["refresh_token"]
        ).expect(200)
        outside.with_token(refreshed["access_token"]).get("/api/v1/users/me").expect(200)
        self.member.in_workspace().get("/api/v1/links").expect(200)
        outside.register(self.invited, new_password(), invitation=self.invitation).expect(201)
        events, cursor = set(), ""
        while cursor is not None:
            page = service.get(f"/api/v1/audit?limit=100{cursor}").expect(200).json
            events |= {event["id"] for event in page["items"]}
            cursor = f"&cursor={page['next']}" if page["next"] else None
        assert self.audit <= events


class Followers:
    """People who follow links all the time, one request after the other each."""

    def __init__(self, before):
        self.before = before
        self.answers = Counter()
        self.slowest = 0.0
        self.lock = threading.Lock()
        self.over = threading.Event()
        links = itertools.cycle(before.links)
        self.threads = [threading.Thread(target=self._run, args=(links,)) for _ in range(FOLLOWERS)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def _run(self, links):
        while not self.over.is_set():
            with self.lock:
                link = next(links)
            begin = time.monotonic()
            try:
                answer = self.before.owner.outside.follow(link["slug"])
                right = answer.status == 302 and answer.header("location") == link["url"]
                seen = "302" if right else f"{answer.status} {answer.text[:200]}"
            except (OSError, HTTPException) as error:
                seen = repr(error)
            with self.lock:
                self.answers[seen] += 1
                self.slowest = max(self.slowest, time.monotonic() - begin)
                if seen == "302":
                    self.before.clicks[link["id"]] += 1

    @property
    def failures(self):
        return {seen: count for seen, count in self.answers.items() if seen != "302"}

    def tell(self, when):
        print(
            f"    {when}: {self.answers.total()} redirects, {sum(self.failures.values())} failed,"
            f" slowest {self.slowest:.2f} s {self.failures or ''}", flush=True,
        )


def run(deployment, repository, arguments):
    revision = arguments.upgrade_from
    older = deployment.folder / "older"
    checkout(repository, revision, older)
    packages = {it: deployment.folder / f"packages-{it.name}" for it in (older, repository)}
    # In a target folder of its own: cargo names what it compiles by places within the checkout, and
    # two checkouts that share a folder take each other's work for their own.
    deployment.package(older, packages[older], CARGO_TARGET_DIR=os.environ["CARGO_TARGET_DIR"] + "-older")
    if arguments.packages:
        packages[repository] = Path(arguments.packages)
    else:
        deployment.package(repository, packages[repository])

    deployment.start()
    deployment.use(older, packages[older])
    deployment.apply(f"{revision}, open for the first owner", signup="open")
    context = deployment.found()
    deployment.apply("closed again", refresh=False, signup="invite")
    first = context["owner"]
    owner = Person(Service(context), first["email"], first["password"], first["user"])
    before = Before(owner)

    # The control: what the emulator itself does to those who are under way when a function is replaced.
    with Followers(before) as control:
        for _ in range(3):
            time.sleep(1)
            owner.outside.cloud.renew("redirect")
        time.sleep(1)
    control.tell("control, the same version put in its own place three times")

    deployment.use(repository, packages[repository])
    with Followers(before) as followers:
        time.sleep(1)
        deployment.apply(f"this checkout over {revision}")
        time.sleep(2)
    followers.tell("upgrade")
    assert followers.answers["302"] > 100, followers.answers
    with deployment.times.of("looking at everything that was there before"):
        before.check()
    print(f"    {sum(before.clicks.values())} clicks, counted exactly")
    deployment.destroy()
    if followers.failures:
        print("e2e: redirects failed during the upgrade" + ("; see the control" if control.failures else ""))
        return 1
    return 0
