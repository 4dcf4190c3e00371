"""The stages of one Dockerfile as targets, which share what they have in common."""

def stage(name, target = ""):
    """The image of a stage.

    Args:
      name: the name of the target.
      target: the stage; the last if it is left out.
    """
    dockerfile_image(
        name = name,
        context = glob(["app/**", "lib/**", "cc-cached"]),
        contexts = {"gcc:12": "//examples/dockerfiles/bases:gcc"},
        dockerfile = "Dockerfile",
        hermetic = True,
        target = target,
    )
