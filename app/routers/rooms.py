"""All routers, in the order in which their doors are tried."""

from fastapi import APIRouter

from app.routers import (
    applications,
    check_ins,
    consents,
    documentation,
    health,
    me,
    patrols,
    people,
    photos,
    places,
    sessions,
    stele_pages,
    steles,
    sync,
    wechat,
)

ROUTERS: tuple[APIRouter, ...] = (
    health.router,
    documentation.router,
    sessions.router,
    consents.router,
    me.router,
    applications.router,
    people.router,
    steles.router,
    check_ins.router,
    patrols.router,
    places.router,
    sync.router,
    photos.router,
    stele_pages.router,
    wechat.router,
)
