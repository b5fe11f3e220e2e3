"""The record chain's events: what the application itself vouched for when it wrote a row."""

from datetime import date
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, Identity, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class ChainOrigin(StrEnum):
    """Why there is an event: the row was written, was there before the chain, or lost fields."""

    recorded = "recorded"
    taken_over = "taken_over"
    erased = "erased"


class ChainEvent(Base):
    """One row of `kind` (a noun: check-in, photo, verdict …) as it stood at the end of a change.

    `core` authenticates what never changes of a row, `mac` the whole of it, both with `salt`. The
    salt is the only column that may ever change: to null, when fields of the row are erased.
    """

    __tablename__ = "chain_events"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    record_id: Mapped[UUID]
    day: Mapped[date]
    encoding: Mapped[int] = mapped_column(SmallInteger)
    key_version: Mapped[int] = mapped_column(SmallInteger)
    kind: Mapped[str]
    origin: Mapped[ChainOrigin]
    core: Mapped[bytes]
    mac: Mapped[bytes]
    salt: Mapped[bytes | None]


class UnsealedEvent(Base):
    """An event that has no link in the chain yet; gone once it has."""

    __tablename__ = "unsealed_events"

    day: Mapped[date] = mapped_column(primary_key=True)
    event_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
