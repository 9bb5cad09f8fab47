"""What every flow is given. The deployment is there already: `run.py` makes it, and says where."""

import json

import pytest
from signpost.cloud import Cloud, load
from signpost.service import Person, Service


@pytest.fixture(scope="session")
def context():
    return load()


@pytest.fixture(scope="session")
def anyone(context):
    """The product, called without credentials."""
    return Service(context)


@pytest.fixture(scope="session")
def owner(context, anyone):
    """The first owner."""
    first = context["owner"]
    return Person(anyone, first["email"], first["password"], first["user"])


@pytest.fixture(scope="session")
def service(owner):
    """The product, called by the first owner in the first workspace."""
    return owner.service


@pytest.fixture(scope="session")
def cloud(anyone):
    return anyone.cloud


@pytest.fixture(scope="session")
def elsewhere(service, owner):
    """The first owner in another workspace."""
    made = service.post("/api/v1/workspaces", {"name": "Elsewhere"}).expect(201)
    return owner.in_workspace(made["id"])


def pytest_collection_modifyitems(items):
    """Flows first, then what takes permissions away, and in the end what reads all that was logged."""
    rank = {"test_permissions": 1, "test_logs": 2}
    items.sort(key=lambda item: rank.get(item.module.__name__, 0))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """What functions complained of while a test ran is told with its failure."""
    report = yield
    if report.failed and report.when == "call":
        cloud = Cloud(load())
        complaints = [
            f"{function}: {line[:600]}"
            for function in load()["functions"]
            for line in cloud.lines(function, call.start)
            if line.startswith("{") and json.loads(line).get("level") in ("ERROR", "WARN")
        ]
        report.sections.append(("what functions complained of meanwhile", "\n".join(complaints[-12:])))
    return report


def pytest_terminal_summary(terminalreporter):
    """The table of permissions, and how long what took."""
    seconds = {}
    rows = set()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if not hasattr(report, "nodeid"):
                continue
            what = "permissions" if report.nodeid.startswith("test_permissions") else "flows"
            seconds[what] = seconds.get(what, 0) + getattr(report, "duration", 0)
            rows |= {value for name, value in getattr(report, "user_properties", []) if name == "permission"}
    if rows:
        terminalreporter.section("what fails without each permission")
        for function, resource, action, why in sorted(rows):
            terminalreporter.line(f"{function:24} {action:30} {resource:15} {why[:120]}")
    terminalreporter.line(", ".join(f"{what}: {spent:.0f} s" for what, spent in sorted(seconds.items())))
