"""The dashboard: pages for managers, over the same services as the API."""

from fastapi import APIRouter

ROUTERS: tuple[APIRouter, ...] = ()
