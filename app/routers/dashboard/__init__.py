"""The dashboard: pages for managers, over the same services as the API."""

from fastapi import APIRouter

from app.routers.dashboard import (
    maps,
    organisations,
    people,
    places,
    records,
    reports,
    reviews,
    roster,
    searches,
    sign_in,
)

ROUTERS: tuple[APIRouter, ...] = (
    sign_in.router,
    maps.router,
    reviews.router,
    people.router,
    organisations.router,
    places.router,
    records.router,
    reports.router,
    searches.router,
    *roster.ROUTERS,
)
