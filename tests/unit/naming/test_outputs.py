"""What ``-o`` means; types and attributes are those of docker buildx 0.13 and BuildKit 0.13."""

from __future__ import annotations

import pytest

from hermes.errors import HermesError
from hermes.naming.outputs import is_on_standard_output, parse_output


@pytest.mark.parametrize(
    ("text", "kind", "where"),
    [
        ("out", "local", "out"),
        ("./a:b", "local", "./a:b"),
        ("/tmp/out", "local", "/tmp/out"),
        ("-", "tar", "-"),
        ("type=local,dest=out", "local", "out"),
        ('type=local,"dest=a,b"', "local", "a,b"),
        ("type=tar,dest=x.tar", "tar", "x.tar"),
        ("type=tar", "tar", "-"),
        ("type=oci", "oci", "-"),
        ("type=oci,dest=x,tar=false", "oci", "x"),
        ("type=docker", "docker", ""),
        ("type=cacheonly", "cacheonly", ""),
        ("oci:layout:tag", "transport", "oci:layout:tag"),
        ("docker://host/name", "transport", "docker://host/name"),
    ],
)
def test_an_output_is_what_buildx_takes_it_for(text: str, kind: str, where: str) -> None:
    found = parse_output(text)
    assert (found.kind, found.where) == (kind, where)


def test_attributes_of_images_are_read() -> None:
    found = parse_output(
        'type=image,"name=r.example/a:1,r.example/b",push=true,oci-mediatypes=false,compression=zstd,'
        "compression-level=9,force-compression=true,annotation.org.Name=x=y,annotation-manifest[linux/arm64].b=c,unpack=true"
    )
    assert found.names == ("r.example/a:1", "r.example/b")
    assert (found.push, found.is_docker, found.all_layers) == (True, True, True)
    assert found.compression is not None
    assert found.compression.codec.spec == "zstd:9"
    assert found.annotations == (("org.Name", "x=y"), ("b", "c"))


def test_a_registry_is_pushed_to_and_an_image_only_if_it_says_so() -> None:
    assert parse_output("type=registry").push
    assert not parse_output("type=image,name=a").push
    assert parse_output("type=image,name=a").is_in_store
    assert parse_output("type=image,name=a,push=true,push-by-digest=true,name-canonical=true").by_digest


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "-o is empty"),
        ("type=locl,dest=x", "unknown type 'locl'\nhint: did you mean local?"),
        ("type=local", "dest= is missing"),
        ("type=oci,tar=false", "dest= is missing"),
        ("type=local,dest=x,compression=gzip", "type=local has no attribute 'compression'"),
        ("type=oci,dest=x,compresion=gzip", "did you mean compression?"),
        ("type=oci,dest=x,compression=estargz", "layers cannot be compressed with 'estargz'"),
        ("type=oci,dest=x,compression=gzip,compression-level=99", "no compression level 99"),
        ("type=oci,dest=x,compression-level=high", "compression-level is a number, not 'high'"),
        ("type=image,push=maybe", "push is true or false, not 'maybe'"),
        ("type=image,name", "expected NAME=VALUE, got 'name'"),
        ("type=image,registry.insecure=true", "registries: in hermes.yaml"),
        ("type=local,dest=x,annotation.a=b", "only an image has annotations"),
        ("type=oci,annotation-index.a=b", "annotations of the index cannot be given"),
        ('type=local,"dest=x', "it is not a line of CSV"),
        ("dest=x,push=true", "type= is missing"),
    ],
)
def test_a_mistake_is_told(text: str, message: str) -> None:
    with pytest.raises(HermesError) as caught:
        parse_output(text)
    assert message in caught.value.render()


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("-", True),
        ("type=tar", True),
        ("type=oci,dest=-", True),
        ("type=oci,dest=x", False),
        ("oci-archive:-", True),
        ("docker-archive:x", False),
        ("type=docker", False),
        ("type=nonsense", False),
    ],
)
def test_standard_output_is_noticed(text: str, is_one: bool) -> None:
    assert is_on_standard_output(text) == is_one
