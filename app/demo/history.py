"""History: tells planned outings to the services, as the phones and the chat would have done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.demo.plan import Outing, Visit
from app.domain.datum import Datum, to_wgs84
from app.domain.stele_code import token_of
from app.errors import XunheError
from app.models import CheckIn, Findings, Patrol, Person, Source, Stele
from app.services import check_ins, companions, messages, patrols, stele_codes, tracks
from app.services.new_check_in import NewCheckIn
from app.services.patrols import NewPatrol
from app.services.tracks import NewPoint
from app.state import State

_TOGETHER = 12
_FORGED = "1.AAAAAAAAAAAAAAAA"


@dataclass(frozen=True, slots=True)
class Writer:
    """What is needed to tell history: everybody by code, and the steles' tokens by code."""

    state: State
    people: Mapping[str, Person]
    tokens: Mapping[str, str]

    @classmethod
    async def open(cls, state: State) -> "Writer":
        """Read the people, and the tokens that are on the steles."""
        async with state["sessions"].begin() as session:
            people = {person.code: person for person in await session.scalars(select(Person))}
            steles = (await session.scalars(select(Stele).where(Stele.retired_on.is_(None)))).all()
            tokens = await stele_codes.tokens(session, state["keys"], steles, now=clock.now())
        return cls(state, people, {stele.code: tokens[stele.id] for stele in steles})

    async def write(self, outings: Sequence[Outing], *, together: int = _TOGETHER) -> None:
        """Record those outings that are not there yet, the first received first.

        So many in a transaction `together`; an outing is there whole or not at all.
        """
        missing = await self._missing(outings)
        missing.sort(key=lambda outing: (outing.received_at, outing.key))
        for start in range(0, len(missing), together):
            async with self.state["sessions"].begin() as session:
                await self._record(session, missing[start : start + together])

    async def _missing(self, outings: Sequence[Outing]) -> list[Outing]:
        async with self.state["sessions"]() as session:
            ids = [visit.id for outing in outings for visit in outing.visits]
            there = set(await session.scalars(select(CheckIn.id).where(CheckIn.id.in_(ids))))
        return [
            outing
            for outing in outings
            if not there.issuperset(visit.id for visit in outing.visits)
        ]

    async def _record(self, session: AsyncSession, outings: Sequence[Outing]) -> None:
        for outing in outings:
            if not outing.chat:
                await self._go_out(session, outing)
        news = [
            self._said(visit, None if outing.chat else outing.id)
            for outing in outings
            for visit in outing.visits
        ]
        settings, keys = self.state["settings"], self.state["keys"]
        for answer in await check_ins.record_many(session, news, settings, keys):
            if isinstance(answer, XunheError):
                raise answer
        for outing in outings:
            if outing.chat and outing.companions:
                await self._name_companions(session, outing)
        await session.flush()
        # Nobody is told today that they were along last year.
        await messages.note_told(session, before=clock.now() - timedelta(hours=1))

    async def _go_out(self, session: AsyncSession, outing: Outing) -> None:
        """Start, walk, finish, as the mini-program tells it."""
        walker = self.people[outing.person]
        new = NewPatrol(outing.id, outing.started_at, outing.kind, outing.reach, outing.companions)
        await patrols.start(session, walker, new, now=outing.received_at)
        if outing.track:
            points = [
                NewPoint(n, at, lon, lat, accuracy_m, Datum.wgs84)
                for n, (at, lon, lat, accuracy_m) in enumerate(outing.track)
            ]
            await tracks.append(session, walker, outing.id, points, now=outing.received_at)
        await patrols.finish(
            session,
            walker,
            outing.id,
            finished_at=outing.finished_at,
            findings=Findings.some if outing.some else Findings.none,
            note=outing.note,
            now=outing.received_at,
        )

    def _said(self, visit: Visit, patrol_id: UUID | None) -> NewCheckIn:
        chat = visit.datum == Datum.gcj02
        lon, lat = to_wgs84(visit.lon, visit.lat, Datum(visit.datum))
        return NewCheckIn(
            id=visit.id,
            person=self.people[visit.person],
            source=Source.chat if chat else Source.mini_program,
            at=visit.at,
            received_at=visit.received_at,
            lon=lon,
            lat=lat,
            accuracy_m=visit.accuracy_m,
            datum=visit.datum,
            raw_lon=visit.lon,
            raw_lat=visit.lat,
            patrol_id=patrol_id,
            stele_code=visit.stele,
            stele_token=self._token(visit),
            note=visit.note,
            photos_expected=visit.photos_expected,
            device=visit.device,
        )

    def _token(self, visit: Visit) -> str | None:
        if visit.stele is None or not visit.code:
            return None
        if visit.code == "good":
            return self.tokens[visit.stele]
        if visit.code == "forged":
            return _FORGED
        return token_of(self.state["keys"].key(stele_codes.PURPOSE), visit.stele, 1)

    async def _name_companions(self, session: AsyncSession, outing: Outing) -> None:
        check_in = await session.get_one(CheckIn, outing.visits[0].id)
        patrol = await session.get_one(Patrol, check_in.patrol_id)
        for code in outing.companions:
            await companions.add(
                session,
                patrol,
                self.people[outing.person],
                self.people[code],
                now=outing.received_at + timedelta(minutes=1),
            )
