"""Visit days: how many visits each grid cell had on each day, for reports about years."""

from datetime import date
from uuid import UUID

from sqlalchemy import BigInteger, Identity, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class VisitDay(Base):
    """Accepted check-ins in a cell on a day, right for every day that is not marked as stale.

    It answers "now" only. No foreign key: days are made again by the thousand, and cells are never
    deleted.
    """

    __tablename__ = "visit_days"
    __table_args__ = (Index(None, "day"),)

    grid_cell_id: Mapped[UUID] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    visits: Mapped[int]


class StaleVisitDay(Base):
    """A day whose visits are to be counted again; any number of rows for one."""

    __tablename__ = "stale_visit_days"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    day: Mapped[date]
