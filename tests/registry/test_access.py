"""``--creds``, ``--authfile``, ``--tls-verify`` and ``--cert-dir``: spelled and ranked as by podman and skopeo."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Sandbox
from tests.registry.servers import PASSWORD, USER, Registry, program, write_auth

CREDS = f"--creds={USER}:{PASSWORD}"


@pytest.fixture
def cert_dir(tmp_path: Path, certificates: dict[str, Path]) -> str:
    folder = tmp_path / "certs.d"
    folder.mkdir()
    shutil.copy(certificates["ca.pem"], folder / "ca.crt")
    return f"--cert-dir={folder}"


def ok(workspace: Sandbox, *arguments: str) -> str:
    done = workspace.run(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def skopeo(*arguments: str) -> int:
    """The status that skopeo ends with; its options have the same names."""
    return subprocess.run([program("skopeo"), *arguments], check=False, capture_output=True).returncode


def test_every_command_of_images_takes_them(
    workspace: Sandbox, secure: Registry, auth_file: Path, cert_dir: str, tmp_path: Path
) -> None:
    """The registry has TLS of an authority of its own, and a password; nothing of either is configured."""
    auth_file.unlink()
    workspace.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n")
    access = [CREDS, cert_dir]
    name, other = f"{secure.host}/team/app:v1", f"{secure.host}/team/other:v1"
    digest = ok(workspace, "bud", "-q", "-t", name, ".")

    assert ok(workspace, "push", "-q", *access, name) == digest
    assert ok(workspace, "pull", "-q", *access, f"docker://{name}", "back:v1") == ""
    assert ok(workspace, "inspect", "--raw", *access, f"docker://{name}")
    assert ok(workspace, "copy", *access, f"docker://{name}", f"docker://{other}") == digest
    assert ok(workspace, "ctr", "from", "--pull=always", "--name=work", *access, name) == "work"
    ok(workspace, "ctr", "commit", "-q", *access, "work", f"docker://{secure.host}/team/work:v1")
    workspace.write("On", f"FROM {other}\nLABEL a=b\n")
    ok(workspace, "bud", "-q", "-f", "On", *access, "-o", f"docker://{secure.host}/team/on:v1", ".")
    for path in ("app", "other", "work", "on"):
        assert skopeo("inspect", CREDS, cert_dir, f"docker://{secure.host}/team/{path}:v1") == 0
        assert skopeo("inspect", CREDS, f"docker://{secure.host}/team/{path}:v1") != 0


def test_what_counts_before_what_is_as_with_skopeo(workspace: Sandbox, secure: Registry) -> None:
    """The file of ``REGISTRY_AUTH_FILE`` has the right password, ``other.json`` a wrong one."""
    other = f"--authfile={workspace.root}/other.json"
    write_auth(workspace.root / "other.json", secure.host, password="wrong")
    workspace.write("Dockerfile", "FROM scratch\nLABEL a=b\n")
    target = f"docker://{secure.host}/team/app:v1"
    ok(workspace, "bud", "-q", "--tls-verify=false", "-o", target, ".")
    for options, works in (
        ([CREDS, "--tls-verify=false"], True),
        ([CREDS, "--tls-verify=true"], False),
        ([CREDS], False),
        ([f"--creds={USER}:wrong", "--tls-verify=false"], False),
        ([other, "--tls-verify=false"], False),
        ([CREDS, other, "--tls-verify=false"], True),
    ):
        ours = workspace.run("inspect", "--raw", *options, target)
        assert (ours.returncode == 0) is works, (options, ours.stderr)
        assert "Traceback" not in ours.stderr
        assert PASSWORD not in ours.stderr + ours.stdout
        assert (skopeo("inspect", "--raw", *options, target) == 0) is works, options


def test_this_machine_is_asked_for_tls_where_that_is_said(workspace: Sandbox, registry: Registry) -> None:
    workspace.write("Dockerfile", "FROM scratch\nLABEL a=b\n")
    ok(workspace, "bud", "-q", "-t", "app:v1", ".")
    target = f"docker://{registry.host}/app:v1"
    done = workspace.run("push", "-q", "--tls-verify", "app:v1", target)
    assert done.returncode == 1
    assert "does not speak TLS" in done.stderr
    assert skopeo("list-tags", "--tls-verify=true", target.removesuffix(":v1")) != 0
    ok(workspace, "push", "-q", "app:v1", target)


def test_each_side_of_a_copy_has_its_own(
    workspace: Sandbox, secure: Registry, registry: Registry, auth_file: Path
) -> None:
    auth_file.unlink()
    workspace.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n")
    digest = ok(workspace, "bud", "-q", "-t", "app:v1", ".")
    there, back = f"docker://{secure.host}/app:v1", f"docker://{registry.host}/app:v1"
    access = [f"creds={USER}:{PASSWORD}", "tls-verify=false"]
    assert ok(workspace, "copy", *(f"--dest-{one}" for one in access), "app:v1", there) == digest
    refused = workspace.run("copy", *(f"--dest-{one}" for one in access), there, back)
    assert refused.returncode == 1
    assert ok(workspace, "copy", *(f"--src-{one}" for one in access), there, back) == digest


def test_bad_values_are_told(workspace: Sandbox) -> None:
    folder = workspace.root / "certs"
    folder.mkdir()
    for options, message in (
        (["--creds", ":x"], "--creds: expected USER[:PASSWORD]"),
        (["--authfile", "gone"], "--authfile gone: there is no such file"),
        (["--cert-dir", "gone"], "--cert-dir gone: there is no such folder"),
        (["--tls-verify=perhaps"], "'perhaps' is not a valid boolean"),
    ):
        done = workspace.run("pull", *options, "registry.example/app")
        assert (done.returncode, message in done.stderr) == (2, True), done.stderr
    (folder / "client.key").touch()
    done = workspace.run("pull", "--cert-dir=certs", "registry.example/app")
    assert "client.key has no certificate beside it" in done.stderr
