"""WeChat's error codes and what is to be done about each, as data.

Vendor's page: "全局返回码". What is not here is refused for good, as `Fault.unknown`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from app.wechat.errors import Fault


class Act(StrEnum):
    """The kinds of consequences."""

    retry = "retry"
    """Try a few times at once, with growing pauses; then later."""
    refresh = "refresh"
    """The access token is no longer good: replace it and try exactly once more."""
    wait = "wait"
    """Later, not now."""
    until_tomorrow = "until_tomorrow"
    """The day's quota is used up: nobody calls this before midnight at the lake."""
    stop = "stop"
    """A setting is wrong: nobody calls this until somebody has looked, or an hour has passed."""
    refuse = "refuse"
    """Never again."""
    done = "done"
    """It was delivered before: as good as success."""


@dataclass(frozen=True)
class Policy:
    """What to do; `after` for `wait`, `fault` for `refuse`.

    `narrow`: a `stop` concerns one template or page only, where the call names one.
    """

    act: Act
    after: timedelta = timedelta(minutes=1)
    fault: Fault = Fault.unknown
    narrow: bool = False


_CHANNEL = Policy(Act.refuse, fault=Fault.channel)
_CONTENT = Policy(Act.refuse, fault=Fault.content)
_GONE = Policy(Act.refuse, fault=Fault.gone)
_REFRESH = Policy(Act.refresh)
_STOP = Policy(Act.stop)
_STOP_ONE = Policy(Act.stop, narrow=True)

POLICIES: Mapping[int, Policy] = {
    -1: Policy(Act.retry),
    40001: _REFRESH,
    40014: _REFRESH,
    42001: _REFRESH,
    40013: _STOP,
    40125: _STOP,
    40164: _STOP,
    40243: _STOP,
    45009: Policy(Act.until_tomorrow),
    45011: Policy(Act.wait),
    43108: Policy(Act.wait),
    43117: Policy(Act.wait, after=timedelta(hours=6)),
    40241: Policy(Act.done),
    45065: Policy(Act.done),
    43101: _CHANNEL,
    43004: _CHANNEL,
    43019: _CHANNEL,
    45015: _CHANNEL,
    45047: _CHANNEL,
    50005: _CHANNEL,
    61010: _CHANNEL,
    47003: _CONTENT,
    47001: _CONTENT,
    45168: _CONTENT,
    40037: _STOP_ONE,
    41030: _STOP_ONE,
    45103: _STOP_ONE,
    45109: _STOP_ONE,
    48001: _STOP,
    40003: Policy(Act.refuse, fault=Fault.address),
    40007: _GONE,
    40029: _GONE,
    40163: _GONE,
    46003: _GONE,
}

UNKNOWN = Policy(Act.refuse)
STOPPED_FOR = timedelta(hours=1)
