"""All routers, in the order in which their doors are tried."""

from fastapi import APIRouter

from app.routers import (
    applications,
    calls,
    check_ins,
    consents,
    documentation,
    health,
    me,
    obligations,
    pairings,
    patrols,
    people,
    photos,
    places,
    posts,
    reminders,
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
    posts.router,
    obligations.router,
    pairings.router,
    reminders.router,
    calls.router,
    steles.router,
    check_ins.router,
    patrols.router,
    places.router,
    sync.router,
    photos.router,
    stele_pages.router,
    wechat.router,
)
