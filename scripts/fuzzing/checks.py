"""What schemathesis checks here besides its own checks.

A schema cannot say everything: that a cursor is one of this list, that an end lies after its start,
that a slug is reserved. So a request that fits the schema may be refused all the same. Of each such
refusal these checks ask that it names its place, and that the place is one where such a rule is: a
field that is refused for no good reason is found so, and a schema that says too little, too.
"""

import itertools
import re

import schemathesis

# Rules that go beyond the schema, by operation: JSON pointers, parameters and headers.
LINK = [
    r"/url",  # not on the service's own domains, no credentials, a host that can be
    r"/fallback_url",
    r"/domain",  # one of the deployment's
    r"/slug",  # reserved words, scripts that look alike
    r"/aliases(/\d+)?",  # the same, and different from the slug
    r"/tags/\d+",  # spaces of Unicode at the ends
    r"/title",
    r"/starts_at",
    r"/expires_at",  # in the future, after the start
]
PAGE = [r"cursor"]
# `from` and `to` in this order, and not too far apart; zones, dimensions and filters that there are.
STATS = [r"from", r"to", r"tz", r"dimensions", r"filter"]
IF_MATCH = [r"If-Match"]
BEYOND_SCHEMA = {
    "create-link": LINK,
    "update-link": LINK + IF_MATCH,
    "delete-link": IF_MATCH,
    "list-links": PAGE + [r"tag", r"q"],
    "link-stats": STATS,
    "workspace-stats": STATS,
    "orphan-stats": STATS + [r"domain"],
    "list-clicks": PAGE + [r"from", r"to", r"tz", r"filter"],
    "register-user": [
        r"/email",  # one that mail can be sent to
        r"/name",  # characters that turn the writing around
        r"/password",  # common ones, the e-mail address
        r"/invitation",  # a known one, for this address
        r"/workspace",  # not both
    ],
    "update-user": [r"/name", r"/password", r"/current_password"],
    "create-workspace": [r"/name"],
    "update-workspace": [r"/name"] + IF_MATCH,
    "delete-workspace": [r"confirm"] + IF_MATCH,  # its name
    "list-workspaces": PAGE,
    "list-members": PAGE,
    "create-invitation": [r"/email"],
    "accept-invitation": [r"/token"],
    "list-invitations": PAGE,
    "create-key": [r"/name", r"/expires_at"],
    "list-keys": PAGE,
    "list-audit-events": PAGE,
}


def operation_id(case):
    return case.operation.definition.raw.get("operationId")


def is_well_formed(case):
    return case.meta is not None and case.meta.generation.mode.is_positive


NUMBERS = itertools.count()


@schemathesis.hook
def before_call(context, case, kwargs):
    """A walk from one operation to the next makes what it goes on with.

    With an `Idempotency-Key` that was used before, it would get the first answer once more, of
    something that an earlier walk may have deleted. The other phases do send keys again.
    """
    is_walk = case.meta is not None and case.meta.phase.name == "stateful"
    if is_walk and is_well_formed(case) and case.headers and "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = f"walk-{next(NUMBERS)}"


@schemathesis.check
def refusals_of_well_formed_requests_have_a_reason(ctx, response, case):
    """400 for what fits the schema names a place at which there is more to know."""
    if response.status_code != 400 or not is_well_formed(case):
        return
    name = operation_id(case)
    body = response.json()
    if case.operation.path.startswith("/oauth/"):
        # What a grant is worth, no schema can say.
        assert body.get("error"), f"{name}: a refusal says no `error`: {body}"
        return
    faults = body.get("errors", [])
    assert faults, f"{name}: a refusal names no place: {body}"
    known = BEYOND_SCHEMA.get(name, [])
    for fault in faults:
        place = fault.get("pointer", fault.get("parameter", fault.get("header")))
        assert any(re.fullmatch(pattern, place or "") for pattern in known), (
            f"{name}: the schema allows this, but it is refused at `{place}`: {fault['detail']}"
        )


@schemathesis.check
def answers_say_nothing_of_the_inside(ctx, response, case):
    """No answer tells of code, tables or queries; a 5xx says nothing at all."""
    text = response.text
    for word in ("panicked", "src/", ".rs:", "DynamoDB", "dynamodb", "ConditionExpression", "#pk"):
        assert word not in text, f"{operation_id(case)}: the answer says `{word}`"
    if 500 <= response.status_code and response.headers.get("content-type", [""])[0].startswith(
        "application/problem+json"
    ):
        assert "detail" not in response.json(), f"{operation_id(case)}: a 5xx explains itself"
