"""One's own page."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from pydantic import BaseModel, Field

from app.models import PostKind
from app.schemas.consents import Consent
from app.schemas.fields import Instant, Position
from app.schemas.people import Named, Person
from app.services.me import Held, Overview


class Area(BaseModel):
    """What a post is about."""

    kind: str
    code: str
    name: str


class Post(BaseModel):
    """A post held today; open ends are null."""

    code: str
    kind: PostKind
    organisation: Named | None
    area: Area | None
    deputy: Named | None
    from_on: date | None = Field(serialization_alias="from")
    to_on: date | None = Field(serialization_alias="to")

    @classmethod
    def of(cls, held: Held) -> "Post":
        """From the post and what belongs to it."""
        return cls(
            code=held.post.code,
            kind=held.post.kind,
            organisation=(
                Named(code=held.organisation.code, name=held.organisation.name)
                if held.organisation
                else None
            ),
            area=(
                Area(kind=held.area.kind, code=held.area.code, name=held.area.name)
                if held.area
                else None
            ),
            deputy=Named(code=held.deputy.code, name=held.deputy.name) if held.deputy else None,
            from_on=held.post.from_on,
            to_on=held.post.to_on,
        )


class MyStele(BaseModel):
    """A stele of one's posts."""

    code: str
    name: str
    position: Position


class Message(BaseModel):
    """News; `told_at` is when the chat took it."""

    id: UUID
    kind: str
    text: str
    subject: str | None
    at: Instant
    told_at: Instant | None


class Me(BaseModel):
    """Who I am, what I hold, may do, agreed to and was told."""

    person: Person
    organisation: Named
    roles: Sequence[str]
    posts: Sequence[Post]
    steles: Sequence[MyStele]
    reaches: Sequence[Named]
    can: Sequence[str]
    consents: Sequence[Consent]
    messages: Sequence[Message]

    @classmethod
    def of(cls, overview: Overview) -> "Me":
        """From what the services found."""
        return cls(
            person=Person.of(overview.person, overview.organisation),
            organisation=Named(code=overview.organisation.code, name=overview.organisation.name),
            roles=[overview.person.role.value],
            posts=[Post.of(held) for held in overview.posts],
            steles=[
                MyStele(
                    code=stele.code, name=stele.name, position=Position.of(stele.lon, stele.lat)
                )
                for stele in overview.steles
            ],
            reaches=[Named(code=reach.code, name=reach.name) for reach in overview.reaches],
            can=overview.can,
            consents=[Consent.of(consent) for consent in overview.consents.values()],
            messages=[
                Message(
                    id=message.id,
                    kind=message.kind,
                    text=message.text,
                    subject=message.subject,
                    at=message.created_at,
                    told_at=message.told_at,
                )
                for message in overview.messages
            ],
        )
