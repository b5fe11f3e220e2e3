"""The process that started this one: its word to go, and its end, which is ours too."""

import ctypes
import os
import signal
import sys
import threading

_PR_SET_PDEATHSIG = 1
_STDIN, _STDOUT = 0, 1


def wait_for_go() -> None:
    """Return when the parent says go; end at once if it ends, now or at any later time.

    Its end, by `kill -9` too, is the end of the pipe that is our standard input; on Linux the
    kernel tells us even while this interpreter is busy.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    _end_unless_told()
    threading.Thread(target=_end_unless_told, name="parent-watch", daemon=True).start()


def say_ready() -> None:
    """Tell the parent that we do our work now."""
    os.write(_STDOUT, b"\n")


def _end_unless_told() -> None:
    # No tidying up: the parent was killed, and the next one waits for the port.
    if not os.read(_STDIN, 1):
        os._exit(1)
