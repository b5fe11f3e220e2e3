"""Sign-in tickets: what lets one browser into the dashboard once somebody has vouched for it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified


class SignInTicket(Identified, Base):
    """Good once and for minutes. Of what opens anything, only hashes are kept.

    A ticket of the kind `scan` belongs to the browser that shows its QR code, and lets nobody in
    until a manager has sent the number that this browser shows. One of the kind `link` was made in
    the shell for a person, and belongs to whoever opens its address. `address` is the browser's.
    """

    __tablename__ = "sign_in_tickets"

    via: Mapped[str]
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    scene_hash: Mapped[bytes | None] = mapped_column(unique=True)
    address: Mapped[str | None]
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"), index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    scanned_at: Mapped[datetime | None]
    wrong_numbers: Mapped[int] = mapped_column(default=0)
    refused_at: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]
