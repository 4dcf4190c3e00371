"""Which packages share a layer."""

_LARGE = 1 << 20
_GROUPS = 4

def grouped(names, large, max_layers, sizes = {}):
    """Returns names of packages in lists, each for one layer, by the name of that: large ones alone, others together.

    The group of a package depends on its name alone, so an update moves one group, and targets with the same packages
    share what is the same.

    Args:
      names: those of packages.
      large: those that get a layer of their own, whatever their sizes.
      max_layers: how many lists there may be.
      sizes: those that are known, in bytes.
    """
    named = {name: True for name in large}
    big = [name for name in names if name in named or sizes.get(name, 0) >= _LARGE]
    ordered = sorted(big, key = lambda name: (name not in named, -sizes.get(name, 0), name))
    alone = {name: True for name in ordered[:max(max_layers - _GROUPS - 1, 0)]}
    groups = min(_GROUPS, max(max_layers - 1, 1))
    found = {}
    for name in names:
        found.setdefault(name if name in alone else "group%d" % (hash(name) % groups), []).append(name)
    return found
