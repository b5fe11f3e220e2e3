"""Bulletins as they cross the wire."""

from typing import Any, Literal, Self

from pydantic import BaseModel

from app.models import Bulletin
from app.schemas.fields import Instant
from app.services.bulletins.book import Shown


class ListedBulletin(BaseModel):
    """A bulletin of the list."""

    period: str
    state: Literal["draft", "final"]
    version: int
    edited_at: Instant
    known_at: Instant | None
    sha256: str | None
    signed_by: str | None

    @classmethod
    def of(cls, bulletin: Bulletin, signer: str | None) -> Self:
        """From its row."""
        return cls(
            period=bulletin.period,
            state=bulletin.state.value,
            version=bulletin.version,
            edited_at=bulletin.edited_at,
            known_at=bulletin.known_at,
            sha256=bulletin.digest.hex() if bulletin.digest else None,
            signed_by=signer,
        )


class BulletinList(BaseModel):
    """The bulletins of one organisation, newest first."""

    organisation: str
    items: list[ListedBulletin]
    next: None = None


def said_by(shown: Shown) -> dict[str, Any]:
    """A bulletin as JSON; `sha256` is of `content`, as docs/bulletins.md says how to recompute."""
    bulletin = shown.bulletin
    return {
        "period": shown.period.code,
        "organisation": shown.organisation.code,
        "state": shown.content["state"],
        "version": bulletin.version if bulletin else None,
        "sha256": bulletin.digest.hex() if bulletin and bulletin.digest else None,
        "content": shown.content,
    }
