"""One's own page, duties, colleagues, leave, and leave to be reminded."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app import clock
from app.routers.deps import AnyCaller, InDatum, Me, Now, Session
from app.schemas import me as schemas
from app.schemas.duties import Duties
from app.schemas.exemptions import Exemption, NewExemption
from app.schemas.fields import Name
from app.schemas.people import Colleague, Colleagues, Named
from app.schemas.subscriptions import NewSubscription, Subscription, SubscriptionResult
from app.services import access, colleagues, exemptions, me, my_duties, subscriptions

router = APIRouter(prefix="/api/v1/me", tags=["in the field"])


@router.get("", dependencies=[InDatum])
async def read_me(session: Session, person: Me, now: Now) -> schemas.Me:
    """Who I am, what I hold and may do, what I agreed to and was told."""
    return schemas.Me.of(await me.overview(session, person, now=now))


@router.get("/obligations")
async def read_obligations(session: Session, person: Me, now: Now) -> Duties:
    """What I owe in the windows that contain today, then what my organisations owe."""
    today = clock.day_of(now)
    return Duties.of(await my_duties.of(session, person, today), today)


@router.get("/colleagues")
async def find_colleagues(
    session: Session, person: Me, now: Now, q: Annotated[Name, Query()]
) -> Colleagues:
    """Companions by name."""
    found = await colleagues.named(session, person, q, now=now)
    return Colleagues(
        items=[
            Colleague(
                code=colleague.code,
                name=colleague.name,
                organisation=Named(code=organisation.code, name=organisation.name),
            )
            for colleague, organisation in found
        ]
    )


@router.post("/exemptions", status_code=201)
async def ask_for_leave(body: NewExemption, session: Session, person: Me, now: Now) -> Exemption:
    """Ask for leave from a duty; it takes effect when granted."""
    exemption, obligation = await exemptions.ask(session, person, **body.model_dump(), now=now)
    return Exemption(
        id=exemption.id,
        code=exemption.code,
        from_on=exemption.from_on,
        to_on=exemption.to_on,
        kind=exemption.kind,
        reason=exemption.reason,
        obligation_code=obligation.code if obligation else None,
        state=exemption.state,
    )


@router.post("/subscriptions", status_code=201)
async def tell_subscription(
    body: NewSubscription,
    response: Response,
    session: Session,
    caller: AnyCaller,
    _person: Me,
    now: Now,
) -> Subscription:
    """What `wx.requestSubscribeMessage` answered; the same tap told again is 200."""
    user = access.wechat_user_of(caller)
    kept, is_new = await subscriptions.record(session, user, body.template_id, body.result, now=now)
    response.status_code = 201 if is_new else 200
    return Subscription(
        template_id=kept.template_id, result=SubscriptionResult(kept.result), at=kept.recorded_at
    )
