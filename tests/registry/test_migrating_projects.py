"""`hermes migrate --compose` and `--bake`: the targets that are written give the images that the files give."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Sandbox
from tests.integration.conftest import add_base
from tests.registry.servers import Registry

WEB = """\
ARG WHAT=base
FROM common AS build
COPY . /src
RUN ls -R /src > /list
FROM $REGISTRY/base:1
ARG WHO
COPY --from=build /list /list
RUN echo $WHO > /who
"""


@pytest.fixture
def shop(workspace: Sandbox, registry: Registry) -> Sandbox:
    add_base(workspace)
    workspace.write(
        "base/BUILD",
        (workspace.root / "base/BUILD").read_text()
        + 'image(name = "image", env = {"PATH": "/bin"}, layers = [":root"])\n',
    )
    workspace.build("//base:image", destinations=[f"docker://{registry.host}/base:1"])
    workspace.write(
        "shop/common/Dockerfile", f"FROM {registry.host}/base:1\nRUN echo common > /common\nENV A=1\n"
    )
    workspace.write("shop/web/Dockerfile", WEB.replace("$REGISTRY", registry.host))
    workspace.write("shop/web/.dockerignore", "*.log\nnode_modules\n!keep.log\n")
    for name in ("index.html", "a.log", "keep.log", "node_modules/x/y", "sub/b.log", "sub/c"):
        workspace.write(f"shop/web/{name}", name)
    return workspace


def digests(sandbox: Sandbox, *options: str) -> dict[str, str]:
    done = sandbox.run("bud", "-q", *options)
    assert done.returncode == 0, done.stderr
    return dict(line.split(" ") for line in done.stdout.splitlines())


def targets(sandbox: Sandbox, *options: str) -> str:
    done = sandbox.run("migrate", *options, "--force")
    assert done.returncode == 0, done.stderr
    locked = sandbox.run("lock", "//shop:base_1")
    assert locked.returncode == 0, locked.stderr
    return (sandbox.root / "shop/BUILD.hermes").read_text()


def test_services_become_targets_that_give_the_same_images(shop: Sandbox, registry: Registry) -> None:
    shop.write(
        "shop/compose.yaml",
        "name: shop\nservices:\n  web:\n    image: r.example/shop/web:3\n    build:\n      context: web\n"
        '      args: {WHO: web}\n      additional_contexts: {common: "service:common"}\n'
        "  common:\n    build: {context: common, labels: {x: y}}\n"
        "  inline:\n    build:\n      context: web\n      dockerfile_inline: |\n"
        f"        FROM {registry.host}/base:1\n        COPY sub/c /c\n  db:\n    image: postgres\n",
    )
    wanted = digests(shop, "--compose", "shop/compose.yaml")
    text = targets(shop, "--compose", "shop/compose.yaml")
    assert text.count("image_pull(") == 1
    assert 'repository = "r.example/shop/web"' in text
    labels = [f"//shop:{name}" for name in wanted]
    assert set(wanted) == {"web", "common", "inline"}
    built = {label: rows[0].digest for label, rows in shop.build(*labels).targets.items()}
    assert built == {f"//shop:{name}": digest for name, digest in wanted.items()}


def test_targets_of_a_bake_file_become_targets_too(shop: Sandbox) -> None:
    target = {
        "context": "shop/common",
        "labels": {"a": "b"},
        "platforms": ["linux/amd64"],
        "network": "none",
    }
    shop.write("shop/docker-bake.json", json.dumps({"target": {"default": target}}))
    wanted = digests(shop, "--bake", "shop/docker-bake.json")
    text = targets(shop, "--bake", "shop/docker-bake.json")
    assert "hermetic = True" in text
    assert shop.digest("//shop:default") == wanted["default"]


def test_what_no_target_can_say_is_told(shop: Sandbox) -> None:
    shop.write("shop/compose.yaml", "services:\n  web:\n    build: {context: common, ssh: [default]}\n")
    done = shop.run("migrate", "--compose", "shop/compose.yaml", env={"SSH_AUTH_SOCK": ""})
    assert done.returncode == 2
    assert "web: RUN has an SSH agent" in done.stderr
    shop.write("shop/compose.yaml", "services:\n  web:\n    build: {context: ../base}\n")
    shop.write("base/Dockerfile", "FROM scratch\nCOPY busybox /\n")
    done = shop.run("migrate", "--compose", "shop/compose.yaml")
    assert "is outside of" in done.stderr
    assert "hint: write to a folder above" in done.stderr
    assert not (shop.root / "shop/BUILD.hermes").exists()
    done = shop.run("migrate", "--compose", "shop/compose.yaml", "--target", "x")
    assert "--target is for a Dockerfile" in done.stderr
