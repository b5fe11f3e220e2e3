"""Real `xunhe` processes for the fault tests, and patience for what they do."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]


def eventually(holds: Callable[[], bool]) -> bool:
    """Wait for what another process does; a minute is for ever."""
    for _ in range(1200):
        if holds():
            return True
        time.sleep(0.05)
    return False


def environment(data_dir: Path, **more: str) -> dict[str, str]:
    """Nothing of the caller's settings, and the code of this tree."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("XUNHE_")}
    return kept | {"PYTHONPATH": str(ROOT), "XUNHE_DATA_DIR": str(data_dir)} | more


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from app.cli import main; main()", *arguments]


def xunhe(*arguments: str, data_dir: Path, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run one command to its end, in a folder that holds no `.env`."""
    return subprocess.run(
        command(*arguments),
        env=environment(data_dir, **more),
        cwd=data_dir.parent,
        capture_output=True,
        text=True,
        check=False,
    )


class Running:
    """A `xunhe` process that goes on until it is told otherwise."""

    def __init__(self, arguments: list[str], data_dir: Path, **more: str) -> None:
        self.process = subprocess.Popen(
            arguments,
            env=environment(data_dir, **more),
            cwd=data_dir.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def line(self) -> str:
        """The next line of its standard output."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def children(self, module: str) -> list[int]:
        """The ids of its living children that run `module`."""
        return [pid for pid in children_of(self.process.pid) if module in words_of(pid)]

    def end(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.terminate()
        self.process.communicate()
        return self.process.returncode

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


def children_of(pid: int) -> list[int]:
    try:
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except FileNotFoundError:
        return []
    return [int(child) for child in listed.split()]


def words_of(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return []


def copied(made: Path, data_dir: Path) -> Path:
    """A data folder like `made`, which nobody uses: quicker than making one."""
    subprocess.run(["cp", "-a", made, data_dir], check=True)
    return data_dir
