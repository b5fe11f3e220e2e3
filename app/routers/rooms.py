"""All routers, in the order in which their doors are tried."""

from fastapi import APIRouter

from app.routers import health

ROUTERS: tuple[APIRouter, ...] = (health.router,)
