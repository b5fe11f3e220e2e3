"""The simulated platform as a process of its own: 50 ms before every answer.

python -m benchmarks.wechat_platform PEOPLE DESCRIPTOR
"""

import ctypes
import signal
import socket
import sys

import uvicorn

from app.wechat.simulator.app import create_app
from app.wechat.simulator.config import AccountConfig, PersonConfig, PlatformConfig, Template
from app.wechat.simulator.platform import Platform

LATENCY_S = 0.05
APP_ID, MINI_APP_ID, SECRET, TEMPLATE = "wxbench0000000001", "wxbench0000000002", "s", "T"
FIELDS = {"thing1": "task", "character_string2": "done_of_owed", "time3": "due", "thing4": "hint"}
_PR_SET_PDEATHSIG = 1


def platform(people: int) -> Platform:
    """Everybody follows the account; nothing is pushed to anybody."""
    template = Template(TEMPLATE, "巡河提醒", tuple((name, name) for name in FIELDS))
    return Platform(
        PlatformConfig(
            service_account=AccountConfig(
                APP_ID, SECRET, "token", mode="plain", templates=(template,)
            ),
            mini_program=AccountConfig(MINI_APP_ID, SECRET, "token", mode="plain"),
            people=tuple(PersonConfig(f"p{n}", "示例", follows=True) for n in range(people)),
            latency=LATENCY_S,
        )
    )


def main() -> None:
    """Serve until SIGTERM, or until whoever measures is gone."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    app = create_app(platform(int(sys.argv[1])))
    config = uvicorn.Config(app, log_level="error", loop="uvloop", http="httptools")
    uvicorn.Server(config).run([socket.socket(fileno=int(sys.argv[2]))])


if __name__ == "__main__":
    main()
