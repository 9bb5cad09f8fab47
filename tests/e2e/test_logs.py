"""What the functions have said while everything else was tried; so this runs last."""

import json

import pytest
from signpost.http import SECRETS

# The lines of Lambda itself.
PLATFORM = ("START ", "END ", "REPORT ", "INIT_START ", "EXTENSION")


@pytest.fixture(scope="module")
def logged(cloud):
    """All lines by function."""
    prefix = f"/aws/lambda/{cloud.name}-"
    groups = [group for group in cloud.log_groups() if group.startswith(prefix)]
    return {
        group.removeprefix(prefix): [
            line
            for event in cloud.events(group)
            for line in event["message"].splitlines()
            if line and not line.startswith(PLATFORM)
        ]
        for group in groups
    }


def test_every_function_was_called(context, logged):
    assert sorted(logged) == sorted(context["functions"])
    assert [name for name, lines in logged.items() if not lines] == []


def test_every_line_is_json_with_its_fields(logged):
    assert sum(map(len, logged.values())) > 500
    for function, lines in logged.items():
        for line in lines:
            fields = json.loads(line)
            # A line of metrics (EMF) has no level.
            assert "_aws" in fields or {"level", "message", "timestamp"} <= fields.keys(), f"{function}: {line}"


def test_no_line_holds_a_secret_or_an_address_of_a_person(context, logged):
    known = {secret for secret in SECRETS if len(secret) >= 8} | {context["owner"]["password"], context["owner"]["email"]}
    # Also a part of a token is one.
    known |= {secret.rsplit(".", 1)[1] for secret in known if secret.count(".") == 2 and secret.startswith("ey")}
    assert len(known) > 50
    for function, lines in logged.items():
        text = "\n".join(lines)
        found = [secret for secret in known if secret in text]
        assert not found, f"`{function}` has logged {found[0]!r}"


def test_no_line_holds_a_network_address(logged):
    for function, lines in logged.items():
        for line in lines:
            # Ours is that of the emulator, too: it may stand in the address of an AWS call only.
            rest = line.replace("http://127.0.0.1:", "")
            assert "198.51.100.23" not in rest and "203.0.113.77" not in rest, f"{function}: {line}"
            assert '"127.0.0.1' not in rest and "sourceIp" not in rest, f"{function}: {line}"


def test_nothing_panicked(logged):
    for function, lines in logged.items():
        assert not [line for line in lines if "panicked" in line], function
