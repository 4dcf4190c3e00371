"""The content-addressed store on disk: blobs, trees, tables of contents and results.

It knows digests, files and locks; it does not know what a layer or an action is.
"""

from hermes.store.blobs import BlobStore, BlobWriter, LocalBlobs
from hermes.store.home import Store
from hermes.store.results import ResultCache, Results

__all__ = ["BlobStore", "BlobWriter", "LocalBlobs", "ResultCache", "Results", "Store"]
