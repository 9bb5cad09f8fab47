"""Every permission of every function is needed: without it, the function does not do its work.

That they are enough is what all other tests show, since the emulator asks each function's role.
Here one action after the other is taken out of a live role, the function's exercise has to fail, its
log has to say that it was this action, and with the action back the exercise has to pass.
"""

import json
import time
from copy import deepcopy
from pathlib import Path

import pytest
import yaml
from exercises import EXERCISES, World
from signpost.http import until

FUNCTIONS = Path(__file__).resolve().parents[2] / "functions"


def given(function):
    return yaml.safe_load((FUNCTIONS / function / "function.yaml").read_text())["permissions"] or {}


ALL = [
    (function, resource, action)
    for function in sorted(path.parent.name for path in FUNCTIONS.glob("*/function.yaml"))
    for resource, actions in given(function).items()
    for action in actions
]

# What cannot be shown, and why. An entry that is shown after all makes its test fail.
POLLED = "Lambda polls the queue with the function's role; the emulator polls it with none"
NOT_SHOWN = {
    ("record-clicks", "clicks-queue", "sqs:ReceiveMessage"): POLLED,
    ("record-clicks", "clicks-queue", "sqs:DeleteMessage"): POLLED,
    ("record-clicks", "clicks-queue", "sqs:GetQueueAttributes"): POLLED,
    ("purge-clicks", "purges-queue", "sqs:ReceiveMessage"): POLLED,
    ("purge-clicks", "purges-queue", "sqs:DeleteMessage"): POLLED,
    ("purge-clicks", "purges-queue", "sqs:GetQueueAttributes"): POLLED,
}

# Asked for once in the life of a process, which remembers the answer.
AT_START = {("token-keys", "kms:GetPublicKey"), ("salts-table", "dynamodb:GetItem")}

# What an ARN of a resource in function.yaml looks like.
ARNS = {
    "links-table": ":table/{name}-links",
    "links-index": ":table/{name}-links/index/by-slug",
    "clicks-table": ":table/{name}-clicks",
    "accounts-table": ":table/{name}-accounts",
    "salts-table": ":table/{name}-salts",
    "clicks-queue": ":{name}-clicks",
    "purges-queue": ":{name}-purges",
    "raw-objects": "/raw/*",
    "lake-objects": "/clicks/*",
    "lake-bucket": ":::{bucket}",
    "token-keys": ":key/",
}


@pytest.fixture(scope="module")
def world(anyone, owner, elsewhere, context):
    return World(anyone, owner, elsewhere, context)


class Role:
    """A function's live role."""

    def __init__(self, cloud, function):
        self.iam, self.cloud = cloud.iam, cloud
        self.name = f"{cloud.name}-{function}"
        (self.policy,) = self.iam.list_role_policies(RoleName=self.name)["PolicyNames"]
        attached = self.iam.list_attached_role_policies(RoleName=self.name)["AttachedPolicies"]
        assert attached == [], f"what else `{self.name}` may do cannot be looked at: {attached}"
        found = self.iam.get_role_policy(RoleName=self.name, PolicyName=self.policy)["PolicyDocument"]
        self.document = found if isinstance(found, dict) else json.loads(found)

    def statements(self):
        for statement in self.document["Statement"]:
            assert statement["Effect"] == "Allow"
            actions, resources = statement["Action"], statement["Resource"]
            rest = {name: value for name, value in statement.items() if name not in ("Action", "Resource")}
            yield ([actions] if isinstance(actions, str) else actions,
                   [resources] if isinstance(resources, str) else resources, rest)

    def names(self, arn, resource):
        end = ARNS[resource].format(name=self.cloud.name, bucket=self.cloud.bucket)
        return end in arn if resource == "token-keys" else arn.endswith(end)

    def allowed(self):
        """The pairs of resource and action, as function.yaml names them; what every function may is left out."""
        pairs = set()
        for actions, arns, rest in self.statements():
            for action in actions:
                if action.split(":")[0] in ("logs", "xray"):
                    continue
                for arn in arns:
                    names = [resource for resource in ARNS if self.names(arn, resource)]
                    assert len(names) == 1, f"`{self.name}` may {action} on {arn}, which function.yaml cannot say"
                    # Of the whole bucket only the names of clicks.
                    assert ("Condition" in rest) == (names[0] == "lake-bucket"), rest
                    pairs.add((names[0], action))
        return pairs

    def without(self, resource, action):
        """The policy with this one pair taken out."""
        statements = []
        for actions, arns, rest in self.statements():
            hit = [arn for arn in arns if self.names(arn, resource)] if action in actions else []
            for kept_actions, kept_arns in (
                ([it for it in actions if it != action], hit),
                (actions, [arn for arn in arns if arn not in hit]),
            ):
                if kept_actions and kept_arns:
                    statements.append(rest | {"Action": kept_actions, "Resource": kept_arns})
        changed = deepcopy(self.document) | {"Statement": statements}
        assert changed != self.document
        return changed

    def put(self, document):
        self.iam.put_role_policy(RoleName=self.name, PolicyName=self.policy, PolicyDocument=json.dumps(document))


@pytest.mark.parametrize("function", sorted({function for function, _, _ in ALL}))
def test_a_live_role_is_what_function_yaml_says(cloud, function):
    pairs = {(resource, action) for other, resource, action in ALL if other == function}
    assert Role(cloud, function).allowed() == pairs


def test_every_function_with_permissions_has_an_exercise():
    assert {function for function, _, _ in ALL} == EXERCISES.keys()


@pytest.mark.parametrize(("function", "resource", "action"), ALL, ids=lambda it: it)
def test_a_permission_is_needed(world, record_property, function, resource, action):
    role = Role(world.cloud, function)

    def run(world):
        if (resource, action) in AT_START:
            world.cloud.renew(function)
        EXERCISES[function](world)

    reason = NOT_SHOWN.get((function, resource, action))
    begin = time.time() - 0.01
    role.put(role.without(resource, action))
    try:
        failure = failure_of(run, world)
        refused = failure and refusals(world.cloud, function, action, begin)
    finally:
        role.put(role.document)
    again = failure_of(run, world)
    assert again is None, f"with `{action}` back, `{function}` still fails: {again}"
    if reason is not None:
        record_property("permission", (function, resource, action, reason))
        assert failure is None, f"that `{action}` is needed is shown by: {failure}; remove this reason"
        return
    assert failure is not None, f"`{function}` does all that its exercise asks for without `{action}` on {resource}"
    assert refused, f"`{function}` failed, but not for want of `{action}`: {failure}{world.cloud.last_lines(function)}"
    record_property("permission", (function, resource, action, failure.splitlines()[0]))


def test_no_reason_is_for_a_permission_that_is_gone():
    assert NOT_SHOWN.keys() <= set(ALL)


def failure_of(run, world):
    try:
        run(world)
    except AssertionError as error:
        return str(error)
    return None


def refusals(cloud, function, action, begin):
    """The lines that name the action; waits, since lines arrive a moment after the answer."""
    try:
        return until(2, action, lambda: [line for line in cloud.lines(function, begin) if denies(line, action)])
    except AssertionError:
        return []


def denies(line, action):
    return f"not authorized to perform: {action}" in line
