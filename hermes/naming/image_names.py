"""What a command line means by an image: a target's label, a name or digest of the store, or ``TRANSPORT:WHERE``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hermes.errors import UsageError
from hermes.graph.label import is_label
from hermes.image.descriptor import Descriptor
from hermes.image.names import ImageNames, digits
from hermes.image.platform import Platform
from hermes.image.reference import Reference
from hermes.naming.registries import LazyBlobs
from hermes.naming.targets import BuildTarget
from hermes.store import Store
from hermes.transports.examining import choose
from hermes.transports.stored import StoreOrigin
from hermes.transports.table import has_transport, opened
from hermes.transports.taking import import_image, import_index
from hermes.transports.transport import Origin


def platform_of(text: str) -> Platform:
    """Return the platform that an option asks for: this machine's where it is empty."""
    return Platform.parse(text) if text else Platform.host()


def asked(text: str) -> Platform | None:
    """Return the platform that an option asks for, None where it is empty: a single image of the store is then taken as it is."""
    return Platform.parse(text) if text else None


@contextmanager
def origin_of(
    text: str, store: Store, fetching: LazyBlobs, build: BuildTarget, platform: str = ""
) -> Iterator[Origin]:
    """Give what ``text`` means, to be read; raises `UsageError` when it means nothing.

    A target is built first, by ``build`` and for ``platform``.
    """
    if has_transport(text):
        with opened(text, store, lambda: fetching.client) as origin:
            yield origin
    elif is_label(text):
        yield build(text, store.home, platform).origin(store)
    else:
        yield named(text, store)


def in_store(
    text: str,
    store: Store,
    fetching: LazyBlobs,
    build: BuildTarget,
    platform: str = "",
    *,
    whole: bool | None = None,
    lazy: bool = False,
) -> StoreOrigin:
    """Return the image that ``text`` means, with all that belongs to it in the store.

    An index is one of its images, the one for ``platform``, or all of them where ``whole``; None takes what is in
    the store or is built as it is, and of what is elsewhere one image. ``lazy`` leaves layers in a registry until
    they are needed. Raises as `origin_of` does.
    """
    with origin_of(text, store, fetching, build, platform) as origin:
        if whole is None:
            whole = not platform and not has_transport(text)
        if isinstance(origin, StoreOrigin):
            found = origin.root() if whole else choose(origin, asked(platform)).descriptor
        elif whole:
            found = import_index(origin, store, keep_nondistributable=fetching.keep_nondistributable)
        else:
            wanted, kept = platform_of(platform), fetching.keep_nondistributable
            found = import_image(origin, store, wanted, lazy=lazy, keep_nondistributable=kept).descriptor
        plain = Descriptor(found.media_type, found.digest, found.size)
        return StoreOrigin(store, plain, origin.name, origin.title)


def named(text: str, store: Store) -> StoreOrigin:
    """Return the image that has a name in the store, or a digest; raises `UsageError`."""
    found = find_named(text, store)
    if found is not None:
        return found
    if digits(text) and ":" in text:
        raise UsageError(f"there is no image with the digest {text} in the store", hint="see `hermes images`")
    reference = Reference.parse(text)
    ImageNames(store).get(reference)
    raise UsageError(f"there is no image {reference} in the store")


def find_named(text: str, store: Store) -> StoreOrigin | None:
    """Return the image of the store that has a name or a digest, or the beginning of one; None where there is none.

    A name counts before the beginning of a digest that is written like it. Seven digits are enough for an image with a
    name, and twelve for others. Raises `UsageError` for what can be neither, or is several images.
    """
    names = ImageNames(store)
    begin = digits(text)
    if begin is None or ":" not in text:
        reference = Reference.parse(text)
        found = names.find(reference)
        if found is not None:
            if reference.digest not in (None, found.digest):
                raise UsageError(f"{text}: the image with that name has the digest {found.digest}")
            title = names.stored_name(reference)
            return StoreOrigin(store, found, text, str(title))
    return find_by_digest(text, store)


def find_by_digest(text: str, store: Store) -> StoreOrigin | None:
    """Return the image of the store whose digest begins with ``text``; see `find_named`."""
    names = ImageNames(store)
    same = names.by_digest(text) or names.without_name(text)
    if len(same) > 1:
        raise UsageError(f"{text}: {len(same)} images have a digest that begins so", hint="write more of it")
    if not same:
        return None
    called = names.names_of(same[0].digest)
    return StoreOrigin(store, same[0], text, str(called[0]) if called else "")
