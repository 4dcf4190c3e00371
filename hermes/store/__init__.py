"""The content-addressed store on disk: blobs, trees, tables of contents and results.

It knows digests, files and locks; it does not know what a layer or an action is.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hermes.store.blobs import BlobStore, BlobWriter, LocalBlobs
    from hermes.store.home import Store
    from hermes.store.results import ResultCache, Results

_MODULES = {
    "BlobStore": "blobs",
    "BlobWriter": "blobs",
    "LocalBlobs": "blobs",
    "ResultCache": "results",
    "Results": "results",
    "Store": "home",
}

__all__ = ["BlobStore", "BlobWriter", "LocalBlobs", "ResultCache", "Results", "Store"]


def __getattr__(name: str) -> Any:
    """Import what is asked for: a build with nothing to do needs none of it."""
    if name not in _MODULES:
        raise AttributeError(name)
    from importlib import import_module

    return getattr(import_module(f"hermes.store.{_MODULES[name]}"), name)
