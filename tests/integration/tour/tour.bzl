"""A macro and a rule, for the tour in BUILD.example."""

def service(name, base, layers, **kwargs):
    """Declares a layer with the service's name in it, and an image.

    Args:
      name: the service; the image is NAME-image.
      base: the layer that everything stands on.
      layers: what the service is made of.
      **kwargs: attributes of the image.
    """
    motd_layer(
        name = name,
        text = "This is %s." % name,
    )
    image(
        name = name + "-image",
        layers = [base] + layers + [":" + name],
        entrypoint = ["/bin/sh", "-c", "busybox cat /etc/motd"],
        **kwargs
    )

def _motd_layer_impl(ctx):
    file = ctx.actions.write("motd", ctx.attr.text + "\n")
    layer = ctx.actions.layer(ctx.label.name, [entry.file("/etc/motd", file)])
    return [LayerInfo(layers = [layer], base = [])]

motd_layer = rule(
    implementation = _motd_layer_impl,
    attrs = {
        "text": attr.string(mandatory = True, doc = "What to say to somebody who logs in."),
    },
    doc = "A message of the day, as a layer.",
)
