"""The dashboard: pages for managers, over the same services as the API."""

from fastapi import APIRouter

from app.routers.dashboard import (
    behind,
    bulletins,
    maps,
    organisations,
    overview,
    people,
    places,
    records,
    reports,
    reviews,
    roster,
    searches,
    sign_in,
    system,
)

ROUTERS: tuple[APIRouter, ...] = (
    sign_in.router,
    overview.router,
    behind.router,
    bulletins.router,
    maps.router,
    reviews.router,
    people.router,
    organisations.router,
    places.router,
    records.router,
    reports.router,
    searches.router,
    *roster.ROUTERS,
    system.router,
)
