"""What a service of this repository is."""

def service(name, layers = [], **kwargs):
    """Declares the image of a service whose program is NAME.sh.

    Args:
      name: the service.
      layers: what it needs besides the base.
      **kwargs: attributes of the image.
    """
    files_layer(
        name = name + "-program",
        srcs = [name + ".sh"],
        dest = "/srv",
        mode = "0755",
    )
    image(
        name = name,
        layers = [
            "//examples/monorepo/base:shell",
            "//examples/monorepo/base:commands",
        ] + layers + [":%s-program" % name],
        entrypoint = ["/srv/%s.sh" % name],
        labels = {"org.opencontainers.image.title": name},
        user = "65532:65532",
        visibility = ["//visibility:public"],
        **kwargs
    )
