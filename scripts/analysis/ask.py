"""Follows links in a known way, has the clicks compacted, and compares the answers to the queries of
docs/analytics.md with what was done. What is expected is worked out here from the list of clicks, by
loops and not by SQL.

Called by scripts/analytics with the address of the product and where everything is.
"""

import http.client
import json
import re
import subprocess
import sys
import time
from collections import Counter, defaultdict
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import urlsplit

import duckdb

url, key, binary, data, page = sys.argv[1:]
HOST = urlsplit(url).netloc

WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.1 Mobile/15E148 Safari/604.1"
)
GOOGLE = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"

# What is made of a user agent: device, system, browser.
AGENTS = {WINDOWS: ("desktop", "Windows", "Chrome"), IPHONE: ("mobile", "iOS", "Safari")}

LINKS = {
    "spring": "https://www.example.com/spring?utm_source=mail&utm_campaign=spring&utm_medium=e%20mail",
    "summer": "https://www.example.com/summer",
    "herbst-ä": "https://www.example.com/%C3%A4",
}

# Who clicks what: slug, times, user agent, place, address, referrer, query, network, purpose.
CLICKS = [
    ("spring", 20, WINDOWS, ("DE", "BE", "Berlin"), "203.0.113.1", "https://news.example.org/a?b=c", "", None, None),
    ("spring", 7, IPHONE, ("DE", "BY", "München"), "203.0.113.2", None, "", None, None),
    ("summer", 5, WINDOWS, ("DE", "BE", "Berlin"), "203.0.113.1", "https://news.example.org/", "", None, None),
    ("summer", 11, IPHONE, ("IN", "DL", "New Delhi"), "2001:db8::7", None, "?utm_campaign=poster&utm_source=street", None, None),
    ("spring", 3, WINDOWS, None, "203.0.113.9", "https://social.example/", "?utm_campaign=o%27hara%22%2C", None, None),
    ("herbst-ä", 4, IPHONE, ("IN", None, None), "2001:db8::7", None, "", None, None),
    ("herbst-ä", 2, WINDOWS, ("US", "NY", "New York"), "203.0.113.1", None, "", None, None),
    ("spring", 6, GOOGLE, ("US", None, None), "203.0.113.66", None, "", None, None),
    ("summer", 2, WINDOWS, ("DE", None, None), "203.0.113.77", "https://news.example.org/", "", 24940, None),
    ("summer", 3, WINDOWS, ("DE", None, None), "203.0.113.78", None, "", None, "prefetch"),
]

# What programs are called, and why they are taken for such.
BOTS = {GOOGLE: ("Google", "user-agent"), 24940: ("(Hetzner)", "data-centre"), "prefetch": ("(prefetch)", "prefetch")}


def fail(text):
    sys.exit(f"analytics: {text}")


def ask(method, path, body=None, **headers):
    connection = http.client.HTTPConnection(HOST, timeout=30)
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json", **headers}
    connection.request(method, path, json.dumps(body) if body else None, headers)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, text


def make_links():
    made = {}
    for slug, target in LINKS.items():
        status, text = ask("POST", "/api/v1/links", {"url": target, "slug": slug})
        if status != 201:
            fail(f"making `{slug}` was answered {status}: {text}")
        made[slug] = json.loads(text)
    return made


def click(slug, agent, place, address, referrer, query, network, purpose):
    headers = {
        "user-agent": agent,
        "x-local-address": address,
        "x-local-place": "/".join(part or "" for part in place).rstrip("/").encode() if place else None,
        "referer": referrer,
        "x-local-network": str(network) if network else None,
        "sec-purpose": purpose,
        "accept-language": "de-AT,de;q=0.9",
    }
    connection = http.client.HTTPConnection(HOST, timeout=30)
    path = "/" + "".join(f"%{byte:02X}" if 127 < byte else chr(byte) for byte in slug.encode()) + query
    connection.request("GET", path, headers={name: value for name, value in headers.items() if value})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    if answer.status != 302:
        fail(f"following `{slug}` was answered {answer.status}")


def compact(made, count):
    """Waits until so many clicks are counted, and has them compacted."""

    def total(link):
        status, text = ask("GET", f"/api/v1/links/{link['id']}")
        clicks = json.loads(text)["clicks"] if status == 200 else {}
        return clicks.get("total", 0)

    end = time.monotonic() + 60
    while (counted := sum(total(link) for link in made.values())) != count:
        if time.monotonic() > end:
            fail(f"{counted} of {count} clicks are counted after a minute")
        time.sleep(0.2)
    done = subprocess.run([binary, "--data-dir", data, "compact"], capture_output=True, text=True)
    if done.returncode:
        fail(f"compacting failed: {done.stdout}{done.stderr}")
    print(f"    {done.stdout.strip()}")


class Truth:
    """A click as it must be in the files, apart from its time."""

    def __init__(self, made, row):
        self.slug, self.times, agent, place, address, referrer, query, network, purpose = row
        self.link = made[self.slug]["id"]
        self.device, self.os, self.browser = AGENTS.get(agent, (None, None, None))
        self.bot, self.why = BOTS.get(agent) or BOTS.get(network) or BOTS.get(purpose) or (None, None)
        self.country, self.region, self.city = place or (None, None, None)
        self.who = (address, agent)
        self.referrer = urlsplit(referrer).hostname if referrer else None
        self.campaign, self.source = "(none)", "(none)"
        if self.slug == "spring":
            self.campaign, self.source = "spring", "mail"
        if "poster" in query:
            self.campaign, self.source = "poster", "street"
        if "hara" in query:
            self.campaign = "o'hara\","


def expected(truths, times, today, workspace):
    """What each query must answer."""
    people = [truth for truth in truths if not truth.bot]

    def tally(among, *names):
        counts = Counter()
        for truth in among:
            counts[tuple(getattr(truth, name) or "(unknown)" for name in names)] += truth.times
        return counts

    def biggest(counts):
        return [(*name, count) for name, count in sorted(counts.items(), key=lambda it: (-it[1], it[0]))]

    human = sum(truth.times for truth in people)
    programs = sum(truth.times for truth in truths) - human
    slugs = {truth.link: truth.slug for truth in truths}
    links = [
        (link, slugs[link], count, round(100 * count / human, 1))
        for link, count in biggest(tally(people, "link"))
    ]
    campaigns = defaultdict(lambda: [0, set()])
    for truth in people:
        campaigns[truth.campaign, truth.source][0] += truth.times
        campaigns[truth.campaign, truth.source][1].add(truth.link)
    campaigns = [(*name, count, len(links)) for name, (count, links) in campaigns.items()]
    referrers = defaultdict(lambda: [0, 0])
    for truth in truths:
        referrers[truth.referrer or "(none)"][0] += truth.times
        referrers[truth.referrer or "(none)"][1] += truth.times if truth.bot else 0
    referrers = [(name, count, round(100 * bots / count, 1)) for name, (count, bots) in referrers.items()]
    bots = defaultdict(lambda: [0, set()])
    for truth in truths:
        if truth.bot:
            bots[truth.bot, truth.why][0] += truth.times
            bots[truth.bot, truth.why][1].add(truth.link)
    bots = [(*name, count, len(links)) for name, (count, links) in bots.items()]
    followed = defaultdict(set)
    for truth in people:
        followed[truth.who].add(truth.link)
    pairs = Counter()
    for links_of_one in followed.values():
        pairs.update((one, other) for one in links_of_one for other in links_of_one if one < other)
    return {
        1: [(today, human + programs, human, programs)],
        2: [(today, workspace, len(followed), 0)],
        3: links,
        # The clock of the machine that clicked may differ by the moment of an hour's end.
        4: times,
        5: biggest(tally(people, "country", "city")),
        6: sorted(campaigns, key=lambda it: (-it[2], it[0], it[1])),
        7: sorted(referrers, key=lambda it: (-it[1], it[0])),
        8: biggest(tally(people, "device", "os", "browser")),
        9: sorted(bots, key=lambda it: (-it[2], it[0], it[1])),
        10: [(*pair, count) for pair, count in sorted(pairs.items(), key=lambda it: (-it[1], it[0]))],
    }


def main():
    text = Path(page).read_text()
    blocks = re.findall(r"### (\d+)\. ([^\n]+)\n.*?```sql\n(.*?)```", text, re.S)
    queries = {int(number): (title, query) for number, title, query in blocks}
    if sorted(queries) != list(range(1, 11)):
        fail(f"{page} has the queries {sorted(queries)}")
    view = re.search(r"```sql\n(SET TimeZone.*?)```", text, re.S)
    setting_up = view[1].replace(".signpost/", f"{data}/")

    # All of it on one day.
    now = datetime.now(timezone.utc)
    left = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1) - now
    if left < timedelta(minutes=5):
        time.sleep(left.total_seconds() + 1)
    made = make_links()
    hours = Counter()
    done = 0
    # In two parts: the second is merged with the files of the first.
    for part in range(2):
        for slug, times, *how in CLICKS:
            for _ in range(times // 2 if part == 0 else times - times // 2):
                click(slug, *how)
                done += 1
                local = datetime.now(timezone.utc) + timedelta(hours=5, minutes=30)
                bot = how[0] in BOTS or how[5] in BOTS or how[6] in BOTS
                hours[local.hour] += 0 if bot else 1
        compact(made, done)

    connection = duckdb.connect()
    for statement in setting_up.split(";"):
        if statement.strip():
            connection.execute(statement)
    columns = connection.execute("DESCRIBE clicks").fetchall()
    named = re.findall(r"^\| `(\w+)`(?: … `(\w+)`)? \|", text.split("## Columns")[1].split("## Asking")[0], re.M)
    in_page = []
    for first, last in named:
        prefix = first.removesuffix("source")
        in_page += [prefix + what for what in ("source", "medium", "campaign", "term", "content")] if last else [first]
    in_files = [name for name, *_ in columns if name not in ("dt", "hr")]
    if in_page != in_files:
        fail(f"the columns of the page are {in_page}, those of the files {in_files}")

    truths = [Truth(made, row) for row in CLICKS]
    today = datetime.now(timezone.utc).date().isoformat()
    workspace = connection.execute("SELECT min(workspace) FROM clicks").fetchone()[0]
    answers = expected(truths, sorted(hours.items()), today, workspace)
    wrong = 0
    for number, (title, query) in sorted(queries.items()):
        rows = connection.execute(query).fetchall()
        if number == 4 and rows != answers[4]:
            # An hour ended between a click and the look at our clock.
            same = sum(count for _, count in rows) == sum(hours.values())
            close = len(hours) == 2 and all(abs(count - hours[hour]) <= 1 for hour, count in rows)
            right = same and close
        else:
            right = rows == answers[number]
        print(f"    {number:2}. {title}: {len(rows)} rows {'as clicked' if right else 'WRONG'}")
        if not right:
            wrong += 1
            print(f"        expected {answers[number]}\n        answered {rows}")
    distinct = connection.execute("SELECT count(*), count(DISTINCT id), min(version) FROM clicks, ("
        "SELECT decode(value) AS version FROM parquet_kv_metadata("
        f"'{data}/s3/raw-clicks/clicks/*/*/*.parquet') WHERE decode(key) = 'signpost.version')").fetchone()
    if distinct[1] != done:
        wrong += 1
        print(f"    {distinct} are in the files, {done} were clicked")
    if wrong:
        fail(f"{wrong} of the answers are not what was clicked")
    print(f"    {done} clicks, each once")


main()
