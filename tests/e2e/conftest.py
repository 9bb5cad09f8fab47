"""What every flow is given. The deployment is there already: `run.py` makes it, and says where."""

import pytest
from signpost.cloud import load
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
