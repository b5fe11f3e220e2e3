"""The rulebook: by which settings the credits in the database were judged."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class Rulebook(Base):
    """One row. When the settings say otherwise, everything is judged anew.

    `opened_on` is the day on which the book was begun: what has no beginning of its own begins in
    that year.
    """

    __tablename__ = "rulebook"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    opened_on: Mapped[date]
    count_from: Mapped[date | None]
    pairing_duty: Mapped[str]
    pairing_times: Mapped[int] = mapped_column(default=6)
    judged_at: Mapped[datetime]
