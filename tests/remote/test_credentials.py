"""Services that want a certificate of the client and a header of a credential helper."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from hermes.engine.events import ActionCached, Warned
from tests.registry.servers import make_ca
from tests.remote.cluster import Cluster
from tests.remote.lying import Proxy, only_with
from tests.remote.sharing import Made, digest_of

HELPER = """\
#!/bin/sh
cat >> {folder}/asked; echo >> {folder}/asked
number=$(wc -l < {folder}/asked)
[ "$1" = get ] && printf '{{"headers": {{"authorization": ["Bearer %s"]}}, "expires": "2030-01-01T00:00:00Z"}}' "$number"
"""


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_ca(tmp_path_factory.mktemp("ca"))


def helper(folder: Path, text: str = HELPER) -> str:
    path = folder / "helper"
    path.write_text(text.format(folder=folder))
    path.chmod(0o755)
    return str(path)


def test_certificates_and_headers_open_a_service(
    cluster: Cluster, sharing: Made, tls: dict[str, Path], tmp_path: Path
) -> None:
    """The first headers of the helper are refused, and asked for again; without a certificate nothing is."""
    it = sharing("opened")
    right = {f"Bearer {number}" for number in range(2, 99)}
    certificates = {"tls_ca": tls["ca.pem"], "tls_cert": tls["client.pem"], "tls_key": tls["client.key"]}
    choice = {**certificates, "credential_helper": helper(tmp_path), "timeout": 5}
    with Proxy(cluster.url.removeprefix("grpc://"), only_with("authorization", right), tls=tls) as proxy:
        here = digest_of(it.build("first", proxy.url, choice=choice))
        assert it.of(Warned) == []
        again = it.build("fresh", proxy.url, choice=choice)
        assert (again.executed, digest_of(again)) == ((), here)
        assert {one.where for one in it.of(ActionCached)} == {proxy.url}
        for taken in ({"tls_cert": None, "tls_key": None}, {"tls_ca": None}):
            refused = it.build("refused", proxy.url, choice={**choice, **taken, "timeout": 1})
            (warned,) = it.of(Warned)
            assert warned.message.startswith(f"{proxy.url}: ")
            assert digest_of(refused) == here
            subprocess.run(["rm", "-rf", it.folder / "refused"], check=True)
    asked = [json.loads(line) for line in (tmp_path / "asked").read_text().splitlines()]
    service = f"https://127.0.0.1:{proxy.port}/build.bazel.remote.execution.v2.ActionCache"
    assert {"uri": service} in asked


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("#!/bin/sh\necho no ticket >&2; exit 3", "ended with status 3: no ticket"),
        ("#!/bin/sh\necho nothing", "has not written"),
        ('#!/bin/sh\necho \'{{"headers": {{"a b": ["c"]}}}}\'', "has not written"),
        ("#!/nowhere", "cannot be started"),
    ],
    ids=["fails", "no-document", "no-header", "no-program"],
)
def test_a_helper_that_fails_is_one_warning(
    cluster: Cluster, sharing: Made, tmp_path: Path, text: str, problem: str
) -> None:
    it = sharing("failed-helper")
    program = helper(tmp_path, text)
    it.build("store", cluster.url, "//app:files", choice={"credential_helper": program, "timeout": 1})
    (warned,) = it.of(Warned)
    assert f"the credential helper {program} {problem}" in warned.message
    assert warned.message.endswith("the build goes on without it")
