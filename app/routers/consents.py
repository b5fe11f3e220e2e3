"""The notices, and agreeing to them."""

from fastapi import APIRouter

from app.domain.notices import NOTICES
from app.models import NoticeKind
from app.routers.deps import AnyCaller, Limited, Now, Session
from app.schemas.consents import Consent, NewConsent, Notice, Notices
from app.services import access, consents

router = APIRouter(prefix="/api/v1", tags=["sign-in"])


@router.get("/consents/notices", dependencies=[Limited])
async def list_notices() -> Notices:
    """What is agreed to, for everybody to read."""
    return Notices(
        items=[
            Notice(notice=kind, version=text.version, title=text.title, text=text.text)
            for kind, text in ((kind, NOTICES[kind]) for kind in NoticeKind)
        ]
    )


@router.post("/me/consents")
async def consent(body: NewConsent, session: Session, caller: AnyCaller, now: Now) -> Consent:
    """Agree to a notice, or take it back; also before being bound."""
    user = access.wechat_user_of(caller)
    return Consent.of(
        await consents.record(
            session, user, body.notice, agreed=body.agreed, version=body.version, now=now
        )
    )
