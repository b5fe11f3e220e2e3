"""The roster, for managers."""

from fastapi import APIRouter

from app.routers.deps import Manager, Now, Session
from app.schemas.fields import Code
from app.schemas.people import NewUnbinding, Unbinding
from app.services import people

router = APIRouter(prefix="/api/v1/people", tags=["management"])


@router.post("/{code}/unbind")
async def unbind(
    code: Code, body: NewUnbinding, session: Session, manager: Manager, now: Now
) -> Unbinding:
    """Part a person from their WeChat and sign it out; nothing recorded is lost."""
    parted = await people.unbind(session, manager, code, app=body.app, reason=body.reason, now=now)
    return Unbinding(code=code, unbound=parted)
