"""The record chain's links: the order in which events became known, each resting on the last."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class ChainLink(Base):
    """One event in its place; `mac` covers the event and the link before."""

    __tablename__ = "chain_links"

    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    event_id: Mapped[int] = mapped_column(BigInteger, unique=True)
    key_version: Mapped[int] = mapped_column(SmallInteger)
    mac: Mapped[bytes]


class ChainHead(Base):
    """One row: where the chain ends, since when there is one, and when it was last sealed."""

    __tablename__ = "chain_heads"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(BigInteger)
    link: Mapped[bytes]
    opened_at: Mapped[datetime]
    taken_over_at: Mapped[datetime | None]
    sealed_at: Mapped[datetime]
    key_version: Mapped[int] = mapped_column(SmallInteger)
    mac: Mapped[bytes]
