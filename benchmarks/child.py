"""A web process as `serve` has them, of any application, and with nothing of the benchmark in it.

python -m benchmarks.child MODULE:FUNCTION DESCRIPTOR
"""

from app.supervisor import lean

if __name__ == "__main__":
    lean.load_lean()

import ctypes
import signal
import socket
import sys
from importlib import import_module

from app import logs
from app.supervisor.web import serve

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve until SIGTERM, or until whoever measures is gone."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    logs.configure("WARNING")
    module, _, name = sys.argv[1].partition(":")
    serve(getattr(import_module(module), name), socket.socket(fileno=int(sys.argv[2])))


if __name__ == "__main__":
    main()
