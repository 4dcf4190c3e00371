"""What ``--format`` of ``hermes ctr`` sees: a container or an image with the fields that buildah and docker give it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hermes.cli.templates import rendered
from hermes.container.state import State


def formatted(template: str, of: State | Mapping[str, Any], mounted: str = "") -> str:
    """Return what a template makes of a container or of `described_image`; raises `UsageError`."""
    return rendered(template, fields_of(of, mounted) if isinstance(of, State) else of)


def fields_of(state: State, mounted: str) -> dict[str, Any]:
    """Return the fields of buildah's inspect and containers, and docker's of an image."""
    document = dict(state.document)
    annotations = document.pop("annotations", None) or {}
    return {
        **_of_document(document),
        "Builder": "*",
        "Container": state.name,
        "ContainerID": state.id,
        "ContainerName": state.name,
        "FromImage": state.image,
        "FromImageID": "",
        "ID": state.id,
        "Id": state.id,
        "ImageAnnotations": annotations,
        "ImageName": state.image,
        "MountPoint": mounted,
        "Name": state.name,
        "Type": "buildah 0.0.1",
    }


def described_image(name: str) -> dict[str, Any]:
    """Return the fields of an image of the store; raises `UsageError` where there is none."""
    from hermes.images.inspecting import inspect

    found = inspect(name, single=True)
    image = found.image
    assert image is not None
    digest = str(image.manifest.config.digest)
    return {
        **_of_document(image.config),
        "Digest": str(image.descriptor.digest),
        "FromImage": name,
        "FromImageDigest": str(image.descriptor.digest),
        "FromImageID": digest.removeprefix("sha256:"),
        "ID": digest,
        "Id": digest,
        "ImageAnnotations": dict(image.manifest.annotations),
        "Name": name,
        "RepoTags": list(found.names),
    }


def _of_document(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an image configuration says, in the forms of OCI and of Docker, with all settings there."""
    config = {**_SETTINGS, **(document.get("config") or {})}
    whole = {
        "Architecture": document.get("architecture", ""),
        "Author": document.get("author", ""),
        "Config": config,
        "Created": document.get("created", ""),
        "History": [
            {_title(name): value for name, value in row.items()} for row in document.get("history") or ()
        ],
        "OS": document.get("os", ""),
        "Os": document.get("os", ""),
        "RootFS": {"DiffIDs": list((document.get("rootfs") or {}).get("diff_ids") or ()), "Type": "layers"},
        "Variant": document.get("variant", ""),
    }
    return {**whole, "Docker": whole, "OCIv1": whole}


def _title(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


_SETTINGS = {
    "Cmd": [],
    "Entrypoint": [],
    "Env": [],
    "ExposedPorts": {},
    "Labels": {},
    "StopSignal": "",
    "User": "",
    "Volumes": {},
    "WorkingDir": "",
}
