"""Using a part of a package without running all of it."""

import importlib.util
import sys


def announce(name: str) -> None:
    """Make the parts of package `name` importable without running its `__init__`.

    For packages whose `__init__` brings much along that we do not use. What it would define is not
    there then, in the whole process: import from the parts. One that runs already stays as it is.
    """
    if name in sys.modules:
        return
    spec = importlib.util.find_spec(name)
    if spec is None:
        raise ModuleNotFoundError(name)
    sys.modules[name] = importlib.util.module_from_spec(spec)
