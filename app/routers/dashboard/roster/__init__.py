"""The roster's pages: managers keep people, posts, duties and letters of their own subtree."""

from fastapi import APIRouter

from app.routers.dashboard.roster import applications, conflicts, lists, rows, wechat

# The fixed addresses first: what follows takes any noun and any code.
ROUTERS: tuple[APIRouter, ...] = (
    applications.router,
    conflicts.router,
    wechat.router,
    lists.router,
    rows.router,
)
