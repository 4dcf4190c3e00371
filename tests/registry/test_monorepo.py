"""examples/monorepo: twelve services that are built, tested and pushed as one, and share what they have in common."""

from __future__ import annotations

import json
import re
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.conftest import Sandbox
from tests.integration.conftest import OrdinaryUser, ordinary_user
from tests.registry.servers import Registry

__all__ = ["ordinary_user"]

ROOT = Path(__file__).parents[2]
SERVICES = {
    *("billing", "catalog", "mailer", "orders", "users"),
    *("feed", "gateway", "search", "storefront"),
    *("digest", "isbn"),
    "cleanup",
}
PYTHON = {"billing", "catalog", "mailer", "orders", "users"}
ALL = "//examples/monorepo/..."


def results_of(workspace: Sandbox, *options: str) -> dict[str, str]:
    """Test everything; return what is said of each test, by the service."""
    done = workspace.run("test", ALL, *options)
    assert done.returncode == 0, done.stderr
    found = re.findall(r"^//examples/monorepo/services/(\w+):(\w+)\s+(.*) in .*s$", done.stdout, re.MULTILINE)
    assert len(found) == len(SERVICES) + 1  # the job has two
    return {f"{service}:{test}": said for service, test, said in found}


def images_of(registry: Registry) -> dict[str, list[str]]:
    """The layers of the images in a registry, by their repositories."""
    found = {}
    for name in sorted(SERVICES):
        link = (
            registry.folder
            / f"data/docker/registry/v2/repositories/shop/{name}/_manifests/tags/latest/current/link"
        )
        digest = link.read_text().partition(":")[2]
        blob = registry.folder / f"data/docker/registry/v2/blobs/sha256/{digest[:2]}/{digest}/data"
        found[name] = [one["digest"] for one in json.loads(blob.read_text())["layers"]]
    return found


@pytest.mark.network
def test_twelve_services_share_what_they_can(
    workspace: Sandbox, ordinary_user: OrdinaryUser, registry: Registry
) -> None:
    shutil.copytree(ROOT / "examples/monorepo", workspace.root / "examples/monorepo")
    rules = workspace.root / "examples/monorepo/services/service.bzl"
    rules.write_text(rules.read_text().replace("registry.example.org", registry.host))
    report = workspace.root / "report.xml"

    assert set(results_of(workspace, "--junit", str(report)).values()) == {"PASSED"}
    suites = ET.parse(report).getroot().findall("testsuite")
    assert {one.get("name", "").split("/")[-1].partition(":")[0] for one in suites} == SERVICES
    assert all((one.get("failures"), one.get("errors")) == ("0", "0") for one in suites)
    assert set(results_of(workspace).values()) == {"(cached) PASSED"}

    service = workspace.root / "examples/monorepo/services/orders/service.py"
    service.write_text(service.read_text().replace('"open"', '"new"'))
    again = results_of(workspace)
    assert {name for name, said in again.items() if said == "PASSED"} == {"orders:orders_test"}
    shared = workspace.root / "examples/monorepo/lib/python/shop/money.py"
    shared.write_text(shared.read_text().replace("EUR", "euros"))
    again = results_of(workspace)
    assert {name.partition(":")[0] for name, said in again.items() if said == "PASSED"} == PYTHON

    done = workspace.run("push", ALL)
    assert done.returncode == 0, done.stderr
    layers = images_of(registry)
    every = [one for listed in layers.values() for one in listed]
    assert (len(every), len(set(every))) == (92, 34)
    for kind in (PYTHON, {"feed", "gateway", "search", "storefront"}, {"digest", "isbn"}):
        shared = set.intersection(*(set(layers[name]) for name in kind))
        own = {name: set(layers[name]) - shared for name in kind}
        assert all(1 <= len(one) <= 2 for one in own.values()), own  # the second says what folders are
    done = workspace.run("push", ALL)
    assert (done.returncode, "sent" in done.stderr) == (0, False), done.stderr

    built = workspace.build(ALL).targets
    assert workspace.build(ALL).executed == ()
    shutil.copytree(workspace.root / "examples/monorepo", ordinary_user.workspace.root / "examples/monorepo")
    ordinary_user.take_files(workspace)
    said = ordinary_user.run("build", "--json", ALL).stdout
    assert [one for outputs in built.values() for one in outputs if one.digest not in said] == []
