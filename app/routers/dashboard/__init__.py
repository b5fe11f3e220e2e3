"""The dashboard: pages for managers, over the same services as the API."""

from fastapi import APIRouter

from app.routers.dashboard import sign_in

ROUTERS: tuple[APIRouter, ...] = (sign_in.router,)
