"""One playbook in three ways: as a layer, by the connection plugin, and by Ansible in a plain chroot. The files are the same.

HERMES_TEST_DEBIAN names a tar of a minimal Debian with git, made by debootstrap otherwise.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT, Sandbox

pytest.importorskip("ansible", reason="ansible-core is not installed (the extra ansible)")
pytestmark = [
    pytest.mark.root,
    pytest.mark.network,
    pytest.mark.timeout(2400),
    pytest.mark.skipif(
        os.environ.get("HERMES_TEST_PEERS") != "every",
        reason="HERMES_TEST_PEERS=every runs one playbook in three ways, on a Debian that debootstrap makes",
    ),
]
TOOL = "/run/hermes/ansible"
BUILD = """\
load("@hermes//rules:ansible.bzl", "ansible_layer", "ansible_tool")
load("@hermes//rules:debian.bzl", "apt_layer")
load("@hermes//rules:python.bzl", "py_layers")
load(":tool.bzl", "tool_layer")
apt_layer(name = "python", lock = "python.lock.yaml", packages = ["busybox-static", "libc-bin", "python3", "python3-apt"])
py_layers(name = "packages", base = ":python", libc = "glibc-2.36", lock = "requirements.txt", python = "3.11", requirements = "requirements.in")
ansible_tool(name = "ansible", packages = ":packages", python = ":python")
tool_layer(name = "tool", ansible = ":ansible")
image(name = "tool-image", layers = [":tool"])
tar_layer(name = "debian", src = "base.tar")
image(name = "base", layers = [":debian"])
ansible_layer(
    name = "configured",
    base = ":base",
    ansible = ":ansible",
    playbook = "site.yml",
    roles = glob(["files/**", "templates/**"]),
)
image(name = "image", base = ":base", layers = [":configured"])
"""
TOOL_RULE = """\
load("@hermes//rules:ansible.bzl", "AnsibleInfo")
def _impl(ctx):
    return [LayerInfo(layers = [ctx.attr.ansible[AnsibleInfo].tool], base = [])]
tool_layer = rule(implementation = _impl, attrs = {"ansible": attr.label(providers = [AnsibleInfo])})
"""
PLAYBOOK = """\
- hosts: all
  gather_facts: false
  vars: {listens: 8080, names: [one, two, three]}
  handlers:
    - name: note
      copy: {content: "reloaded\\n", dest: /etc/app/reloaded, mode: "0644"}
  tasks:
    - file: {path: /etc/app, state: directory, mode: "0750"}
    - copy: {content: "greeting = hello\\n", dest: /etc/app/app.conf, mode: "0640"}
    - copy: {src: given.bin, dest: /etc/app/given.bin, mode: "0600"}
    - template: {src: site.j2, dest: /etc/app/site.conf, mode: "0644"}
      notify: note
    - lineinfile: {path: /etc/environment, line: APP=1, create: true, mode: "0644"}
    - blockinfile: {path: /etc/profile, block: "umask 027"}
    - replace: {path: /etc/app/app.conf, regexp: hello, replace: good day}
    - group: {name: app, gid: 990}
    - user: {name: app, uid: 990, group: app, home: /srv/app, shell: /bin/sh, create_home: true}
    - user: {name: app, groups: [games], append: true}
    - copy: {src: "{{ item }}", dest: /var/tmp/, mode: "0644"}
      loop: [small.deb, small-1.0-py3-none-any.whl]
    - apt: {deb: /var/tmp/small.deb}
    - pip: {name: small, extra_args: --no-index --no-compile --find-links /var/tmp --target /opt/python}
    - unarchive: {src: small.tar.gz, dest: /opt}
    - git: {repo: /opt/small.git, dest: /opt/checkout, version: main}
    - copy:
        content: "[Service]\\nExecStart=/usr/bin/small\\n[Install]\\nWantedBy=multi-user.target\\n"
        dest: /etc/systemd/system/app.service
        mode: "0644"
      notify: note
    - file: {src: /etc/systemd/system/app.service, dest: /etc/systemd/system/multi-user.target.wants/app.service, state: link}
    - copy: {content: "{{ item }}\\n", dest: "/etc/app/{{ item }}.name", mode: "0644"}
      loop: "{{ names }}"
    - copy: {content: "{{ item.value }}", dest: "/etc/app/{{ item.key }}", mode: "0644"}
      loop: "{{ {'a': 'x', 'b': 'y'} | dict2items }}"
    - command: {cmd: sh -c 'id -un > /srv/app/who; umask > /srv/app/umask', creates: /srv/app/who}
      become: true
      become_user: app
    - copy: {content: "of the user\\n", dest: /srv/app/own, mode: "0600"}
      become: true
      become_user: app
    - stat: {path: /usr/bin/small}
      register: small
    - file: {src: /usr/bin/small, dest: /usr/local/bin/small, state: link}
      when: small.stat.exists
    - shell: small > /etc/app/said
      args: {creates: /etc/app/said}
    - file: {path: "/var/tmp/{{ item }}", state: absent}
      loop: [small.deb, small-1.0-py3-none-any.whl]
"""
# What tells when and where it was done: logs, the time of a checkout, caches, and the folders of Ansible and of machines.
OTHERWISE = (
    *(
        "dev",
        "proc",
        "run",
        "sys",
        "tmp",
        "var/log",
        "var/cache",
        "var/lib/apt",
        "root/.ansible",
        "etc/hosts",
    ),
    *("etc/resolv.conf", "etc/hostname", "opt/checkout/.git/index", "opt/checkout/.git/logs", ".dockerenv"),
)


def _files(folder: Path) -> None:
    """What the playbook copies: a package of Debian, a wheel, an archive with a repository of git, a template."""
    files = folder / "files"
    files.mkdir()
    (folder / "templates").mkdir()
    (folder / "templates/site.j2").write_text(
        "port {{ listens }}\n{% for one in names %}{{ one }}\n{% endfor %}"
    )
    (files / "given.bin").write_bytes(bytes(range(256)) * 50)
    package = folder / "package"
    (package / "DEBIAN").mkdir(parents=True)
    (package / "usr/bin").mkdir(parents=True)
    (package / "usr/bin/small").write_text("#!/bin/sh\necho small\n")
    (package / "usr/bin/small").chmod(0o755)
    about = "Package: small\nVersion: 1\nArchitecture: all\nMaintainer: nobody <n@example.org>\nDescription: small\n"
    (package / "DEBIAN/control").write_text(about)
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-b", package, files / "small.deb"],
        check=True,
        capture_output=True,
    )
    with zipfile.ZipFile(files / "small-1.0-py3-none-any.whl", "w") as wheel:
        info = "small-1.0.dist-info"
        wheel.writestr("small.py", "NAME = 'small'\n")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: small\nVersion: 1.0\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "small.py,,\n")
    checkout = folder / "checkout"
    checkout.mkdir()
    (checkout / "read.me").write_text("small\n")
    git = ("git", "-c", "user.name=n", "-c", "user.email=n@example.org", "-c", "init.defaultBranch=main")
    for words in (
        ("init", "-q"),
        ("add", "."),
        ("commit", "-q", "-m", "one"),
        ("clone", "-q", "--bare", ".", str(folder / "small.git")),
    ):
        subprocess.run([*git, *words], cwd=checkout, check=True)
    with tarfile.open(files / "small.tar.gz", "w:gz") as archive:
        archive.add(folder / "small.git", "small.git")
        member = tarfile.TarInfo("unpacked/file")
        member.size = 5
        archive.addfile(member, io.BytesIO(b"small"))


def _debian(folder: Path) -> Path:
    if given := os.environ.get("HERMES_TEST_DEBIAN"):
        return Path(given)
    from tests.bench.cases import debian

    try:
        return debian(folder, "git")
    except LookupError as error:
        pytest.skip(str(error))


def _in_chroot(root: Path, tool: Path, play: Path) -> None:
    shutil.copytree(
        play,
        root / "tmp/play",
        ignore=shutil.ignore_patterns("base.tar", "hermes-out", "package", "checkout", "small.git"),
    )
    env = {
        "PATH": f"/usr/sbin:/usr/bin:/sbin:/bin:{TOOL}/bin",
        "LC_ALL": "C.UTF-8",
        "LOCPATH": f"{TOOL}/lib/locale",
        "HOME": "/root",
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_HOME": "/tmp/ansible",
        "SOURCE_DATE_EPOCH": "0",
    }
    variables = f"ansible_python_interpreter={TOOL}/bin/python3 ansible_become_method=su"
    argv = [
        f"{TOOL}/bin/python3",
        "-m",
        "ansible",
        "playbook",
        "-i",
        "localhost,",
        "-c",
        "local",
        "-e",
        variables,
    ]
    # In a mount namespace: whatever ends this, nothing of the machine is mounted below the folder of the test.
    script = 'mount --bind "$2" "$1$3"; mount -t proc proc "$1/proc"; mount --rbind /dev "$1/dev"; root=$1; shift 3; exec chroot "$root" "$@"'
    (root / TOOL[1:]).mkdir(parents=True)
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-ec", script, "sh", root, tool, TOOL, *argv, "/tmp/play/site.yml"],
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _entries(archive: Path) -> dict[str, tuple[object, ...]]:
    found: dict[str, tuple[object, ...]] = {}
    with tarfile.open(archive) as tar:
        for one in tar:
            path = one.name.removeprefix("./")
            if any(path == other or path.startswith(f"{other}/") for other in OTHERWISE):
                continue
            data = tar.extractfile(one) if one.isreg() or one.islnk() else None
            kind = tarfile.REGTYPE if one.islnk() else one.type
            found[path] = (
                kind,
                one.mode,
                one.uid,
                one.gid,
                one.linkname if one.issym() else "",
                data and data.read(),
            )
    return found


def test_a_playbook_leaves_the_same_files_in_three_ways(workspace: Sandbox, tmp_path: Path) -> None:
    _files(workspace.root)
    shutil.copy(_debian(tmp_path), workspace.root / "base.tar")
    workspace.write("BUILD", BUILD)
    workspace.write("tool.bzl", TOOL_RULE)
    workspace.write("requirements.in", "ansible-core>=2.19,<2.20\npatchelf\npip\nsetuptools\n")
    workspace.write("site.yml", PLAYBOOK)
    assert PLAYBOOK.count("\n    - ") == 26, "25 tasks and a handler"
    workspace.run("lock", "//:python", "//:packages")

    # As a layer; a second run does nothing, and there is neither Python nor Ansible.
    assert workspace.build("//:image").executed
    assert workspace.build("//:image").executed == ()
    (tmp_path / "layer.tar").write_bytes(b"")
    workspace.run("ctr", "from", "--name", "layer", "//:image")
    _archived(workspace, "layer", tmp_path / "layer.tar")
    layer = _entries(tmp_path / "layer.tar")
    assert not [path for path in layer if "ansible" in path or path.endswith("/python3")]

    # By the plugin.
    tool = tmp_path / "tool"
    workspace.run("build", "-q", "//:tool-image", "-o", f"oci:{tmp_path}/tool-image")
    _unpacked(tmp_path / "tool-image", tool)
    workspace.run("ctr", "from", "--name", "web", "//:base")
    variables = {
        "ansible_python_interpreter": f"{TOOL}/bin/python3",
        "ansible_hermes_volumes": [f"{tool}:{TOOL}:ro"],
        "ansible_become_method": "su",
        "ansible_remote_tmp": "/tmp/ansible",
    }
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            "-i",
            "web,",
            "-c",
            "hermes.build.hermes",
            "-e",
            repr(variables),
            "site.yml",
        ],
        cwd=workspace.root,
        env={
            **os.environ,
            "HERMES_HOME": str(workspace.home),
            "ANSIBLE_HOME": str(tmp_path / "ansible"),
            "ANSIBLE_PIPELINING": "1",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    _archived(workspace, "web", tmp_path / "web.tar")
    assert _difference(layer, _entries(tmp_path / "web.tar")) == {}

    # In a chroot.
    root = tmp_path / "root"
    root.mkdir()
    subprocess.run(["tar", "-C", root, "--numeric-owner", "-xpf", workspace.root / "base.tar"], check=True)
    _in_chroot(root, tool, workspace.root)
    subprocess.run(["tar", "-C", root, "--numeric-owner", "-cf", tmp_path / "chroot.tar", "."], check=True)
    assert _difference(layer, _entries(tmp_path / "chroot.tar")) == {}


def _archived(workspace: Sandbox, name: str, archive: Path) -> None:
    with archive.open("wb") as file:
        subprocess.run(
            [
                sys.executable,
                "-m",
                "hermes",
                "ctr",
                "run",
                name,
                "--",
                "tar",
                "-C",
                "/",
                "--one-file-system",
                "--numeric-owner",
                "-cf",
                "-",
                ".",
            ],
            env={**os.environ, "HERMES_HOME": str(workspace.home)},
            cwd=ROOT,
            stdout=file,
            check=True,
        )


def _unpacked(layout: Path, tool: Path) -> None:
    """Extract what the tool is out of its only layer."""
    import json

    def blob(digest: str) -> Path:
        return layout / "blobs/sha256" / digest.removeprefix("sha256:")

    index = json.loads((layout / "index.json").read_bytes())
    (layer,) = json.loads(blob(index["manifests"][0]["digest"]).read_bytes())["layers"]
    tool.mkdir()
    subprocess.run(
        ["tar", "-C", tool, "--strip-components=1", "-xf", blob(layer["digest"]), "content"], check=True
    )


def _difference(
    one: dict[str, tuple[object, ...]], other: dict[str, tuple[object, ...]]
) -> dict[str, object]:
    return {
        path: (one.get(path), other.get(path)) for path in {*one, *other} if one.get(path) != other.get(path)
    }
