"""The Remote Execution API v2: a cache of blobs and results, and machines that execute, as Bazel and others use them.

It knows digests and bytes; it does not know what a layer or an action of Hermes is. grpcio and protobuf are an extra, and
are imported when the first call is made.
"""
