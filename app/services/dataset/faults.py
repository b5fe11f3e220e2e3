"""Faults: what is wrong with a dataset, each with its place."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Fault:
    """One bad cell, row or file; `line` is the physical line, `column` as the file calls it."""

    file: str
    line: int
    column: str
    what: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: "
        return f"{place}{self.column}: {self.what}" if self.column else f"{place}{self.what}"


class BadDataset(Exception):
    """The dataset is refused as a whole; `str()` is one line a fault, in order of place."""

    def __init__(self, faults: Iterable[Fault] = (), reason: str | None = None) -> None:
        self.faults = tuple(sorted(set(faults)))
        self.reason = reason
        super().__init__("\n".join([*map(str, self.faults), *([reason] if reason else [])]))
