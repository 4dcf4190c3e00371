"""The language of BUILD and ``.bzl`` files: parse, check, compile, run.

Valid Starlark and valid Python at once. CPython parses it, a whitelist of syntax is checked, every operation
that could reach out of the language or grow without bound is replaced by a guarded one, and CPython runs
the rest. It knows nothing of targets.
"""
