"""Applications as managers see and decide them."""

from collections.abc import Sequence
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from app.models import App, ApplicationKind, ApplicationState
from app.schemas.fields import Code, Instant, Reason, Strict
from app.schemas.people import Named
from app.services.applications import Applied


class Application(BaseModel):
    """What somebody said of themselves; `person` is whom they claim to be, or were joined to."""

    id: UUID
    kind: ApplicationKind
    app: App
    name: str | None
    phone: str | None
    organisation: str | None
    person: Named | None
    state: ApplicationState
    created_at: Instant
    decided_at: Instant | None
    reason: str | None

    @classmethod
    def of(cls, applied: Applied) -> "Application":
        """From the row and whom it is about."""
        row, person = applied.application, applied.person
        return cls(
            id=row.id,
            kind=row.kind,
            app=applied.app,
            name=row.name,
            phone=row.phone,
            organisation=row.organisation,
            person=Named(code=person.code, name=person.name) if person else None,
            state=row.state,
            created_at=row.created_at,
            decided_at=row.decided_at,
            reason=row.reason,
        )


class OwnApplication(BaseModel):
    """What became of what one applied for; of a declined one, why."""

    id: UUID
    kind: ApplicationKind
    name: str | None
    phone: str | None
    organisation: str | None
    state: ApplicationState
    created_at: Instant
    decided_at: Instant | None
    reason: str | None

    model_config = ConfigDict(from_attributes=True)


class OwnApplications(BaseModel):
    """The latest twenty."""

    items: Sequence[OwnApplication]


class NewJoin(Strict):
    """Which person on the roster the applicant is."""

    person_code: Code


class NewDecline(Strict):
    """Why not; the applicant reads it."""

    reason: Reason
