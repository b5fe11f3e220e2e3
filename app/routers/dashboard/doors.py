"""What a page of the dashboard may ask for: who is signed in, and that a form is our own."""

from typing import Annotated, NamedTuple

from fastapi import Depends, Header, Request

from app.errors import Forbidden, Unauthenticated
from app.models import Person, Role
from app.routers.deps import AppKeys, AppSettings, Now, Session, web_cookie
from app.services import web_sessions
from app.services.access import Caller
from app.services.web_sessions import Signed

FORM_FIELD = "form_token"


class Visit(NamedTuple):
    """A page view by somebody signed in; `caller` is what the services ask for."""

    request: Request
    signed: Signed
    form_token: str

    @property
    def person(self) -> Person:
        """Who is looking."""
        return self.signed.person

    @property
    def caller(self) -> Caller:
        """The same, as the services know them."""
        return Caller(person=self.signed.person)


async def get_visit(
    request: Request, session: Session, settings: AppSettings, keys: AppKeys, now: Now
) -> Visit:
    """Somebody signed in. Raises `Unauthenticated`, which the dashboard answers by the sign-in."""
    cookie = web_cookie(request)
    signed = await web_sessions.find(session, cookie, now=now) if cookie else None
    if signed is None:
        raise Unauthenticated
    limit = settings.rate_limit.per_person
    await request.state.limiter.take(f"person:{signed.person.id}", limit, now)
    return Visit(request, signed, web_sessions.form_token(keys, signed))


async def get_post(
    request: Request,
    visit: Annotated[Visit, Depends(get_visit)],
    keys: AppKeys,
    x_form_token: Annotated[str, Header(max_length=200)] = "",
    sec_fetch_site: Annotated[str, Header(max_length=40)] = "same-origin",
) -> Visit:
    """Somebody signed in who pressed a button on a page of ours; every POST asks for this.

    The token comes in a field of the form or, from htmx, in the header `X-Form-Token`.
    """
    given = x_form_token
    if not given:
        form = await request.form()
        field = form.get(FORM_FIELD)
        given = field if isinstance(field, str) else ""
    if sec_fetch_site not in {"same-origin", "none"} or not web_sessions.is_form_token(
        keys, visit.signed, given
    ):
        raise Forbidden("页面已经过期，请刷新后再试。")
    return visit


async def get_admin_visit(visit: Annotated[Visit, Depends(get_visit)]) -> Visit:
    """An admin who is signed in."""
    if visit.person.role is not Role.admin:
        raise Forbidden("这一页只供系统管理员使用。")
    return visit


async def get_admin_post(visit: Annotated[Visit, Depends(get_post)]) -> Visit:
    """An admin who pressed a button on a page of ours."""
    return await get_admin_visit(visit)


Viewer = Annotated[Visit, Depends(get_visit)]
Poster = Annotated[Visit, Depends(get_post)]
AdminViewer = Annotated[Visit, Depends(get_admin_visit)]
AdminPoster = Annotated[Visit, Depends(get_admin_post)]
