"""Posts, for managers."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from app.models import PostKind
from app.routers.deps import Cursor, IfMatch, Limit, Manager, Now, Overseer, Session
from app.schemas.fields import Code
from app.schemas.pages import Page, page_by_id, read_id_cursor
from app.schemas.posts import NewPost, Post
from app.services import posts
from app.services.posts import Wanted

router = APIRouter(prefix="/api/v1/posts", tags=["management"])


def wanted(
    organisation: Code | None = None,
    person: Code | None = None,
    kind: PostKind | None = None,
    retired: bool = False,
) -> Wanted:
    """Filters of the list."""
    return Wanted(organisation, person, kind, retired)


@router.get("")
async def list_posts(
    session: Session,
    caller: Overseer,
    now: Now,
    which: Annotated[Wanted, Depends(wanted)],
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[Post]:
    """The posts of the people of one's subtree, the latest first."""
    found = await posts.listed(
        session, caller, which, after=read_id_cursor(cursor), limit=limit + 1, now=now
    )
    return page_by_id(found, limit, Post.of, lambda row: row.id)


@router.get("/{code}")
async def get_post(code: Code, session: Session, caller: Overseer, response: Response) -> Post:
    """A post of somebody of one's subtree."""
    row = await posts.find(session, caller, code)
    response.headers["ETag"] = f'"{row.version}"'
    return Post.of(row)


@router.put("/{code}", responses={201: {"model": Post}})
async def put_post(
    code: Code,
    body: NewPost,
    session: Session,
    manager: Manager,
    now: Now,
    response: Response,
    if_match: IfMatch = None,
) -> Post:
    """Make (201) or change a post; what is left out becomes empty."""
    edit = await posts.put(session, manager, code, body.wish(if_match), now=now)
    response.status_code = 201 if edit.is_new else 200
    response.headers["ETag"] = f'"{edit.after.version}"'
    return Post.of(edit.after)
