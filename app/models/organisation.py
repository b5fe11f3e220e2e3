"""Organisations: the tree of committees, departments, branches, villages and enterprises."""

from collections.abc import Iterable
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Select, select
from sqlalchemy.orm import Mapped, aliased, mapped_column

from app.models.base import Base, Coded


class OrganisationKind(StrEnum):
    """组织类别."""

    committee = "committee"
    party_committee = "party_committee"
    department = "department"
    general_branch = "general_branch"
    branch = "branch"
    party_group = "party_group"
    village = "village"
    enterprise = "enterprise"


class Organisation(Coded, Base):
    """A node of the organisation tree."""

    __tablename__ = "organisations"

    name: Mapped[str]
    kind: Mapped[OrganisationKind]
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("organisations.id"), index=True)
    short_name: Mapped[str | None]
    phone: Mapped[str | None]


def subtree_of(organisation_ids: Iterable[UUID]) -> Select[UUID]:
    """The ids of the organisations and of all below them."""
    tree = (
        select(Organisation.id)
        .where(Organisation.id.in_(list(organisation_ids)))
        .cte("subtree", recursive=True)
    )
    child = aliased(Organisation)
    return select(tree.union(select(child.id).where(child.parent_id == tree.c.id)).c.id)
