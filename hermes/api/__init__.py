"""The Python interface: what the command line does, with typed results and the exceptions of `errors`.

::

    result = hermes.Workspace("~/src/shop").build(["//app:image"])
    print(result.executed, result.targets["//app:image"][0].digest)
"""

from hermes.api.result import BuildResult, BuiltOutput
from hermes.api.secrets import SecretSource
from hermes.api.workspace import Workspace

__all__ = ["BuildResult", "BuiltOutput", "SecretSource", "Workspace"]
