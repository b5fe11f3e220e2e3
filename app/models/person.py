"""People: whoever is or was on the roster."""

from datetime import date
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ColumnElement, ForeignKey, Index, and_, or_, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Coded


class Role(StrEnum):
    """权限: members act for themselves, managers for their subtree, admins for everything."""

    member = "member"
    manager = "manager"
    admin = "admin"


class Person(Coded, Base):
    """Somebody on the roster; organisation and days mirror the current membership."""

    __tablename__ = "people"
    __table_args__ = (
        Index(
            "uq_people_phone_on_roster",
            "phone",
            unique=True,
            postgresql_where=text("retired_on IS NULL"),
        ),
    )

    name: Mapped[str]
    phone: Mapped[str | None]
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"), index=True)
    role: Mapped[Role] = mapped_column(default=Role.member)
    party_member: Mapped[bool] = mapped_column(default=False)
    title: Mapped[str | None]
    public_name: Mapped[str | None]
    from_on: Mapped[date | None]
    to_on: Mapped[date | None]

    def is_on_roster(self, day: date) -> bool:
        """Whether the person belongs to us on that day."""
        return (
            (self.from_on is None or self.from_on <= day)
            and (self.to_on is None or day <= self.to_on)
            and (self.retired_on is None or day < self.retired_on)
        )


def on_roster(day: date) -> ColumnElement[bool]:
    """The same as `is_on_roster`, for a statement."""
    return and_(
        or_(Person.from_on.is_(None), Person.from_on <= day),
        or_(Person.to_on.is_(None), Person.to_on >= day),
        or_(Person.retired_on.is_(None), Person.retired_on > day),
    )
