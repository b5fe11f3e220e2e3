"""Consents, and the notices they are about."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, Field

from app import models
from app.models import NoticeKind
from app.schemas.fields import Instant, Strict


class NewConsent(Strict):
    """Yes or no to a notice; `version` is the one that was read, the one in force if left out."""

    notice: NoticeKind
    # Nobody agreed who sent "true", or 1.
    agreed: Annotated[bool, Field(strict=True)]
    version: Annotated[int, Field(strict=True)] | None = None


class Consent(BaseModel):
    """The answer as kept."""

    notice: NoticeKind
    version: int
    agreed: bool
    at: Instant

    @classmethod
    def of(cls, consent: models.Consent) -> "Consent":
        """From the fact."""
        return cls(
            notice=consent.notice,
            version=consent.version,
            agreed=consent.agreed,
            at=consent.recorded_at,
        )


class Notice(BaseModel):
    """What is agreed to."""

    notice: NoticeKind
    version: int
    title: str
    text: str


class Notices(BaseModel):
    """Both notices as they are in force."""

    items: Sequence[Notice]
