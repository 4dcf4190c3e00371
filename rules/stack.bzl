"""The root file system that a command runs in: layers on top of each other."""

def stack_of(targets):
    """Joins layers and images to a stack, the lowest first.

    Args:
      targets: targets that provide LayerInfo or ImageInfo. The first brings along what it was built on.

    Returns:
      a struct with `layers`, `image` (the ImageInfo of the first target, or None) and `environment` (the
      file with its environment, or None).
    """
    layers = []
    found = None
    for number, target in enumerate(targets):
        if ImageInfo in target:
            if number > 0:
                fail("%s is an image, and only the first of a base can be one" % target.label, attr = "base")
            found = target[ImageInfo]
            layers.extend(found.layers)
        else:
            info = target[LayerInfo]
            below = info.base if number == 0 else []
            layers.extend([one for one in below + info.layers if one not in layers])
    return struct(
        layers = layers,
        image = found,
        environment = found.environment if found else None,
    )
