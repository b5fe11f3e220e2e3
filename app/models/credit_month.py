"""Credit months: on which days of a month something counts, for reports about years."""

from datetime import date
from uuid import UUID

from sqlalchemy import BigInteger, Identity, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class CreditMonth(Base):
    """A month of an obligation, right for every month that is not marked as stale.

    Bit n - 1 of `days` is the nth day, on which something counts; of `pending` the same for what
    awaits review. It answers "now" only. No foreign key: a million rows are made at once, and
    obligations are never deleted.
    """

    __tablename__ = "credit_months"

    obligation_id: Mapped[UUID] = mapped_column(primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    days: Mapped[int]
    pending: Mapped[int]


class StaleCreditMonth(Base):
    """A month of an obligation that is to be counted again; any number of rows for one."""

    __tablename__ = "stale_credit_months"
    __table_args__ = (Index(None, "obligation_id", "month"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    obligation_id: Mapped[UUID]
    month: Mapped[date]
