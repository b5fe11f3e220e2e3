"""How a web process loads its code: without what would only cost it time and memory."""

import gc
import sys


def load_lean() -> None:
    """For the rest of this process' loading; to be called before anything else is imported.

    The garbage collector rests until the application's lifespan wakes it: nothing that is loaded
    becomes garbage, and looking for some takes a seventh of a start. structlog and httpx load rich
    and pygments for consoles, where these can be had; here is none.
    """
    gc.disable()
    sys.modules |= dict.fromkeys(("rich", "pygments"))  # type: ignore[arg-type]  # as documented
