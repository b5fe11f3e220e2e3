"""The record chain's closings: at the end of each day, how many links there are and the last."""

from datetime import date, datetime

from sqlalchemy import BigInteger, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class ChainClosing(Base):
    """What was sealed since the closing before; `late` of it belongs to days before `day`."""

    __tablename__ = "chain_closings"

    day: Mapped[date] = mapped_column(primary_key=True)
    events: Mapped[int] = mapped_column(BigInteger)
    late: Mapped[int] = mapped_column(BigInteger)
    position: Mapped[int] = mapped_column(BigInteger)
    link: Mapped[bytes]
    closed_at: Mapped[datetime]
    key_version: Mapped[int] = mapped_column(SmallInteger)
    mac: Mapped[bytes]
