"""Bundles of certificates are those that update-ca-certificates makes; what is not a certificate is one error."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from hermes.debian.certificates import BUNDLE, bundle
from hermes.errors import LayerError
from tests.unit.debian.test_deb import Repository, layer


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two certificates, a.crt and b.crt, that openssl makes, and the key of the last."""
    folder = tmp_path_factory.mktemp("ca")
    for name in "ab":
        command = f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={name} -keyout key -out {name}.crt"
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    return folder


def test_a_bundle_is_that_of_update_ca_certificates(made: Path, tmp_path: Path) -> None:
    for name in ("listed", "local", "etc", "hooks"):
        (tmp_path / name).mkdir()
    for name in ("a.crt", "b.crt"):
        shutil.copy(made / name, tmp_path / "listed")
    (tmp_path / "conf").write_text("a.crt\nb.crt\n")
    command = ["/usr/sbin/update-ca-certificates", "--certsconf", f"{tmp_path}/conf"]
    for option, name in (
        ("certsdir", "listed"),
        ("localcertsdir", "local"),
        ("etccertsdir", "etc"),
        ("hooksdir", "hooks"),
    ):
        command += [f"--{option}", f"{tmp_path}/{name}"]
    subprocess.run(command, check=True, capture_output=True)
    ours = bundle((name, (made / name).read_bytes()) for name in ("a.crt", "b.crt"))
    assert ours == (tmp_path / "etc/ca-certificates.crt").read_bytes()


def test_each_certificate_is_once_in_a_bundle_without_texts_and_carriage_returns(made: Path) -> None:
    one = (made / "a.crt").read_bytes()
    again = b"subject: a\r\n" + one.replace(b"\n", b"\r\n") + b"# end"
    assert bundle([("x", one), ("y", again)]) == one


def test_packages_that_nobody_configures_have_a_bundle(tmp_path: Path, made: Path) -> None:
    repository = Repository(tmp_path)
    folder = "usr/share/ca-certificates/mozilla"
    first, second = ((made / name).read_bytes() for name in ("a.crt", "b.crt"))
    files = {"etc/": None, f"{folder}/z.crt": first, f"{folder}/README": b"x", "usr/sbin/tool": b"#!"}
    package = repository.package("ca-certificates", files)
    found = layer(package, certificates=[repository.file("company.pem", second)])
    assert found[BUNDLE][1] == first + second
    assert found[BUNDLE][0].mode == 0o644
    assert found["usr/sbin/tool"][1] == b"#!"

    found = layer(package, certificates=[], only=("etc/ssl/certs",), merged_usr=False)
    assert found[BUNDLE][1] == first
    database = "var/lib/dpkg/status.d/ca-certificates"
    folders = ["etc", "etc/ssl", "etc/ssl/certs", "var", "var/lib", "var/lib/dpkg", "var/lib/dpkg/status.d"]
    assert sorted(found) == sorted([*folders, BUNDLE, database])


def test_a_folder_alone_may_be_taken_of_packages(tmp_path: Path) -> None:
    files = {
        "usr/": None,
        "usr/share/": None,
        "usr/share/zone/x": b"1",
        "usr/share/zones": b"2",
        "bin/y": b"3",
    }
    found = layer(Repository(tmp_path).package("pa", files), only=("usr/share/zone",), merged_usr=False)
    assert [one for one in found if not one.startswith("var")] == [
        "usr",
        "usr/share",
        "usr/share/zone/x",
    ]


def test_what_is_not_a_certificate_is_one_error(made: Path) -> None:
    with pytest.raises(LayerError, match="x has a private key, which everyone could read"):
        bundle([("x", (made / "key").read_bytes() + (made / "b.crt").read_bytes())])
    with pytest.raises(LayerError, match="x has no certificate in PEM") as caught:
        bundle([("x", b"\x30\x82")])
    assert "openssl x509 -inform der" in (caught.value.hint or "")
