"""Credits: the facts that a day's patrol counts for an obligation."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class Credit(Base):
    """A fact: appended, revoked, never changed.

    `pending`: it would count if the patrol's flagged check-ins were accepted. `proxy`: a deputy
    walked, and nobody for whom the obligation counts of itself.
    """

    __tablename__ = "credits"
    __table_args__ = (
        Index(
            "uq_credits_in_force",
            "obligation_id",
            "counted_on",
            "patrol_id",
            "pending",
            "proxy",
            unique=True,
            postgresql_where=text("revoked_at IS NULL"),
        ),
        # Few at any time: planning asks what they would fill.
        Index(
            "ix_credits_pending",
            "obligation_id",
            "counted_on",
            postgresql_where=text("pending AND revoked_at IS NULL"),
        ),
        # For reports as something was known once.
        Index(
            "ix_credits_revoked",
            "obligation_id",
            "counted_on",
            postgresql_where=text("revoked_at IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    obligation_id: Mapped[UUID] = mapped_column(ForeignKey("obligations.id"))
    counted_on: Mapped[date]
    patrol_id: Mapped[UUID] = mapped_column(ForeignKey("patrols.id"), index=True)
    pending: Mapped[bool] = mapped_column(default=False)
    proxy: Mapped[bool] = mapped_column(default=False)
    recorded_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
