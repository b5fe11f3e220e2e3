"""Findings: one line each of what `xunhe doctor` says."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """All well; look at it when there is time; do something now."""

    ok = "ok"
    warn = "warn"
    fail = "fail"


@dataclass(frozen=True)
class Finding:
    """One line: what, how it stands, and (unless ok) what to do."""

    level: Level
    what: str
    said: str

    def __str__(self) -> str:
        """The line as it is printed."""
        return f"{self.level:<4} {self.what}：{self.said}"


def ok(what: str, said: str) -> Finding:
    """All is well."""
    return Finding(Level.ok, what, said)


def warn(what: str, said: str) -> Finding:
    """`said` ends with what to do when there is time."""
    return Finding(Level.warn, what, said)


def fail(what: str, said: str) -> Finding:
    """`said` ends with what to do now."""
    return Finding(Level.fail, what, said)
