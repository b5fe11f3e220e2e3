"""Duties as they stand on a day: how the person who owes them, and their managers, see them."""

from collections.abc import Sequence
from datetime import date
from typing import Any, Self

from pydantic import BaseModel, Field

from app.domain import duties, progress_texts
from app.domain.duties import State
from app.models import AreaKind, HolderKind, Period
from app.services import my_duties


class Area(BaseModel):
    """Where the patrols are owed; no code for everywhere (`any`) and for paired reaches."""

    kind: AreaKind
    code: str | None
    name: str


class Window(BaseModel):
    """The calendar period that contains the day; both days count."""

    from_on: date = Field(serialization_alias="from")
    to_on: date = Field(serialization_alias="to")


class Holder(BaseModel):
    """Who owes."""

    kind: HolderKind
    code: str
    name: str


class Forecast(BaseModel):
    """How many there will be by the window's last day at the pace so far."""

    by: date
    done: int
    owed: int


class Duty(BaseModel):
    """An obligation in its window; `pending` are the days that only await review."""

    code: str
    area: Area
    times: int
    period: Period
    window: Window
    owed: int
    done: int
    pending: int
    due_by_now: int
    behind: int
    next_due_on: date | None
    state: State
    holder: Holder
    forecast: Forecast
    summary: str


class Duties(BaseModel):
    """One's own, then those of one's organisation, then of those above it; unpaged."""

    items: list[Duty]

    @classmethod
    def of(cls, found: Sequence[my_duties.Duty], day: date) -> Self:
        """From what the services found, as it stands on `day`."""
        # In one go: model by model, fifty of them would cost more than to find them.
        return cls.model_validate({"items": [_row(duty, day) for duty in found]})


def _row(duty: my_duties.Duty, day: date) -> dict[str, Any]:
    now = duty.progress
    window = now.window
    return {
        "code": duty.code,
        "area": {
            "kind": duty.area_kind,
            "code": duty.area_code,
            "name": duty.area_name or progress_texts.AREAS[duty.area_kind],
        },
        "times": duty.times,
        "period": duty.period,
        "window": {"from_on": window.from_on, "to_on": window.to_on},
        "owed": window.owed,
        "done": now.done,
        "pending": now.pending,
        "due_by_now": now.due_by_now,
        "behind": now.behind,
        "next_due_on": now.next_due_on,
        "state": now.state,
        "holder": {
            "kind": duty.holder_kind,
            "code": duty.holder_code,
            "name": duty.holder_name,
        },
        "forecast": {
            "by": window.to_on,
            "done": duties.forecast(window, day, now.done),
            "owed": window.owed,
        },
        "summary": progress_texts.summary(duty.period, now, day),
    }
