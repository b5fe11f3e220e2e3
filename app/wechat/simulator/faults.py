"""What goes wrong by script: which call, how, and before or after its effect."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from random import Random


@dataclass
class Fault:
    """One rule. It fires on the `nth` matching call (1 = the next), or at `rate`, or always.

    `path` is a shell pattern over the API's path. What happens is the first given of `drop`,
    `status` (an HTTP error), `errcode`; `stall` (seconds) comes before it and may stand alone.
    With `after` the call takes its effect first: the message is sent and the answer lost.
    `times` ends the rule after so many firings. `people` (keys) or `share` (0-1 of all people,
    always the same ones) narrow it to messages to them.
    """

    path: str = "*"
    errcode: int | None = None
    status: int | None = None
    drop: bool = False
    stall: float = 0.0
    after: bool = False
    nth: int | None = None
    rate: float | None = None
    times: int | None = None
    people: Sequence[str] = ()
    share: float | None = None
    seen: int = 0
    fired: int = 0


@dataclass
class Faults:
    """The script: rules in order, the first that fires wins."""

    rules: list[Fault] = field(default_factory=list)
    dice: Random = field(default_factory=lambda: Random(2026))  # noqa: S311 - repeatable tests

    def add(self, fault: Fault) -> Fault:
        """Add a rule and hand it back, so that a test can ask how often it fired."""
        self.rules.append(fault)
        return fault

    @property
    def personal(self) -> bool:
        """Whether some rule asks whom a message is for."""
        return any(rule.people or rule.share is not None for rule in self.rules)

    def clear(self) -> None:
        """Everything works again."""
        self.rules.clear()

    def strike(self, path: str, person: str | None = None) -> Fault | None:
        """The rule that fires on this call, if any; every matching rule counts the call.

        `person` is the key of whom a message is for, None where the call is for nobody.
        """
        struck: Fault | None = None
        for rule in self.rules:
            if not fnmatchcase(path, rule.path) or not _meant(rule, person):
                continue
            rule.seen += 1
            if struck is None and self._fires(rule):
                rule.fired += 1
                struck = rule
        return struck

    def _fires(self, rule: Fault) -> bool:
        if rule.times is not None and rule.fired >= rule.times:
            return False
        if rule.nth is not None:
            return rule.seen == rule.nth
        return rule.rate is None or self.dice.random() < rule.rate


def _meant(rule: Fault, person: str | None) -> bool:
    if not rule.people and rule.share is None:
        return True
    if person is None:
        return False
    return person in rule.people or (rule.share is not None and lot(person) < rule.share)


def lot(person: str) -> float:
    """A number in [0, 1) that is always this person's: what is under a share is in it."""
    return int.from_bytes(hashlib.sha256(person.encode()).digest()[:4]) / 2**32
