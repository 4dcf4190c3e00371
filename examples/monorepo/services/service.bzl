"""What a service of this repository is."""

def service(name, says, layers = [], **kwargs):
    """Declares the image of a service whose program is NAME.sh, and a test of it.

    Args:
      name: the service.
      says: patterns of what it prints.
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
    command_test(
        name = name + "_test",
        argv = ["/srv/%s.sh" % name],
        expected_output = says,
        image = ":" + name,
        size = "small",
    )
