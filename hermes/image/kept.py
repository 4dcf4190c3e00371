"""Blobs of the layers of a base, as an image on it refers to them: kept as they are wherever that is possible.

Shares with `hermes.image.media_types` what a layer is called in each format, and knows nothing of where an image is.
"""

from __future__ import annotations

from hermes.digest import Digest
from hermes.errors import ImageError
from hermes.image.descriptor import Descriptor
from hermes.image.media_types import form_of, has_form, is_distributable, is_external, layer_type
from hermes.layer import encodings
from hermes.store import Store


def kept_blob(store: Store, diff_id: Digest, base: Descriptor, *, is_docker: bool) -> Descriptor | None:
    """Return the blob of a base's layer as an image on it has it, if it is here or promised and the format allows it.

    None: it has to be compressed again. Raises `ImageError` for one that may not be distributed where it would have to be.
    """
    kept = encodings.find_blob(store, diff_id, base.digest)
    promised = encodings.find_foreign(store, diff_id)
    form = None
    if is_external(base):
        form = form_of(base.media_type)
    elif kept is not None:
        form = kept.form
    elif promised is not None and promised.digest == base.digest:
        form = form_of(base.media_type)
    distributable = is_distributable(base.media_type)
    if form is None or not has_form(form, is_docker=is_docker):
        if not distributable:
            raise ImageError(f"the layer {base.digest} may not be distributed, nor be compressed again")
        return None
    kind = layer_type(form, is_docker=is_docker, distributable=distributable)
    return Descriptor(kind, base.digest, base.size, urls=base.urls)
