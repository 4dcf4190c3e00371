"""Base images of Debian packages."""

load("@hermes//rules:debian.bzl", "apt_layer")

def base_image(name, packages):
    """An image with a shell and some packages, locked in NAME.lock.yaml.

    Args:
      name: the name of the image.
      packages: Debian packages that it has besides a shell.
    """
    apt_layer(
        name = "%s_packages" % name,
        architectures = ["amd64", "arm64"],
        lock = "%s.lock.yaml" % name,
        packages = ["base-files", "dash"] + packages,
    )
    image(
        name = name,
        cmd = ["/bin/sh"],
        layers = [":%s_packages" % name],
    )
