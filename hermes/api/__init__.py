"""The Python interface: what the command line does, with typed results and the exceptions of `errors`.

::

    result = hermes.Workspace("~/src/shop").build(["//app:image"])
    print(result.executed, result.targets["//app:image"][0].digest)

`hermes.Workspace`, `hermes.Containers`, `hermes.Images`, `hermes.BuildResult`, `hermes.BuiltOutput` and
`hermes.SecretSource` are public.
"""
