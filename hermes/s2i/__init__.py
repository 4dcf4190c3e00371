"""Source-to-Image: a builder image, the source of an application, and the actions that make an image of both.

See github.com/openshift/source-to-image, docs/builder_image.md and docs/runtime_image.md.
"""
