"""The pages of bulletins: begin one, write its texts, sign it; the office's own templates."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Request, Response, UploadFile
from fastapi.responses import HTMLResponse

from app import clock
from app.domain import bulletin_periods
from app.errors import Invalid
from app.models import BulletinState, DocumentKind, Organisation
from app.routers.dashboard.doors import Poster, Viewer
from app.routers.dashboard.pages import page, to
from app.routers.deps import AppSettings, Now, Session
from app.schemas.fields import Code, has_control_characters
from app.services.bulletins import book, documents, templates, wording
from app.services.bulletins.book import Texts
from app.services.reports import choices

router = APIRouter(prefix="/dashboard/bulletins", include_in_schema=False)

_MONTHS, _QUARTERS = 13, 5
_REMARK = "remark:"


@router.get("")
async def bulletins(
    visit: Viewer, session: Session, now: Now, organisation: Code | None = None
) -> HTMLResponse:
    """Which bulletins there are, and those that could be begun."""
    office = await book.office_of(session, visit.caller, organisation)
    listed = await book.listed(session, visit.caller, office)
    there = {bulletin.period for bulletin, _ in listed}
    periods = []
    for quarter, count in ((False, _MONTHS), (True, _QUARTERS)):
        period = bulletin_periods.of_day(clock.day_of(now), quarter=quarter)
        for _ in range(count):
            if period.code not in there:
                periods.append(period)
            period = period.previous
    return page(
        "bulletins.html",
        visit,
        office=office,
        organisations=await choices.organisations(session, visit.caller),
        listed=[
            (bulletin, book.period_of(bulletin.period).title, signer) for bulletin, signer in listed
        ],
        periods=periods,
        templates={
            kind: await documents.template_of(session, office, kind) for kind in DocumentKind
        },
        kinds={DocumentKind.docx: "Word", DocumentKind.xlsx: "Excel"},
        placeholders=wording.PLACEHOLDERS,
        of_unit=wording.UNIT,
        of_correction=wording.CORRECTION,
        suffix=_suffix(office),
    )


@router.get("/templates/default.{kind}")
async def default_template(kind: DocumentKind, visit: Viewer) -> Response:  # noqa: ARG001
    """The template that ships, to begin one's own with."""
    return Response(
        documents.default(kind),
        media_type=documents.MEDIA_TYPES[kind],
        headers={"Content-Disposition": f'attachment; filename="bulletin-template.{kind}"'},
    )


@router.post("/templates")
async def keep_template(
    visit: Poster,
    session: Session,
    now: Now,
    file: UploadFile,
    organisation: Annotated[Code, Form()],
) -> Response:
    """Take a template into use."""
    office = await book.office_of(session, visit.caller, organisation)
    content = await file.read(templates.MOST_BYTES + 1)
    name = file.filename or ""
    if has_control_characters(name):
        raise Invalid("文件名里有无法识别的字符，请改名后再上传。")
    await templates.keep(session, visit.caller, office, name, content, now=now)
    return to(f"/dashboard/bulletins{_suffix(office)}", said="模板已启用")


@router.post("/templates/{kind}/drop")
async def drop_template(
    kind: DocumentKind,
    visit: Poster,
    session: Session,
    now: Now,
    organisation: Annotated[Code, Form()],
) -> Response:
    """Go back to the template above or to the one that ships."""
    office = await book.office_of(session, visit.caller, organisation)
    await templates.drop(session, visit.caller, office, kind, now=now)
    return to(f"/dashboard/bulletins{_suffix(office)}", said="已改用默认模板")


@router.get("/{period}")
async def bulletin(
    period: str,
    visit: Viewer,
    session: Session,
    settings: AppSettings,
    now: Now,
    organisation: Code | None = None,
) -> HTMLResponse:
    """One bulletin: as signed, or with today's figures and the texts to be edited."""
    office = await book.office_of(session, visit.caller, organisation)
    shown = await book.find(
        session, visit.caller, office, book.period_of(period), settings, now=now
    )
    return page(
        "bulletin.html",
        visit,
        office=office,
        shown=shown,
        content=shown.content,
        is_over=clock.day_of(now) > shown.period.to_on,
        is_draft=shown.bulletin is not None and shown.bulletin.state is BulletinState.draft,
        change=wording.change,
        suffix=_suffix(office),
    )


@router.post("/{period}/draft")
async def draft(
    period: str,
    visit: Poster,
    session: Session,
    now: Now,
    organisation: Annotated[Code, Form()],
) -> Response:
    """Begin it."""
    office = await book.office_of(session, visit.caller, organisation)
    await book.draft(session, visit.caller, office, book.period_of(period), now=now)
    return to(f"/dashboard/bulletins/{period}{_suffix(office)}")


@router.post("/{period}/texts")
async def write_texts(
    request: Request,
    period: str,
    visit: Poster,
    session: Session,
    now: Now,
    organisation: Annotated[Code, Form()],
    version: Annotated[int, Form()],
    opening: Annotated[str, Form()] = "",
    closing: Annotated[str, Form()] = "",
) -> Response:
    """Write the texts of a draft."""
    office = await book.office_of(session, visit.caller, organisation)
    form = await request.form()
    remarks = {
        name.removeprefix(_REMARK): _plain(said)
        for name, said in form.items()
        if name.startswith(_REMARK) and isinstance(said, str)
    }
    await book.edit(
        session,
        visit.caller,
        office,
        book.period_of(period),
        Texts(_plain(opening), _plain(closing), remarks),
        version=version,
        now=now,
    )
    return to(f"/dashboard/bulletins/{period}{_suffix(office)}", said="已保存")


@router.post("/{period}/sign")
async def sign(
    period: str,
    visit: Poster,
    session: Session,
    settings: AppSettings,
    now: Now,
    organisation: Annotated[Code, Form()],
    version: Annotated[int, Form()],
) -> Response:
    """Make it final."""
    office = await book.office_of(session, visit.caller, organisation)
    await book.sign(
        session, visit.caller, office, book.period_of(period), settings, version=version, now=now
    )
    return to(f"/dashboard/bulletins/{period}{_suffix(office)}", said="已定稿")


def _suffix(office: Organisation) -> str:
    return f"?organisation={quote(office.code)}"


def _plain(said: str) -> str:
    """A text of a form. Raises `Invalid` for what no document can hold."""
    said = said.replace("\r\n", "\n").strip()
    if has_control_characters(said):
        raise Invalid("文字里有无法保存的控制字符。")
    return said
