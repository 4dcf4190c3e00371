"""BUILD and ``.bzl`` files: from text to targets, and from targets to actions."""
