"""The map, and who reads it."""

from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from tests.conftest import Client, Lake, Member
from tests.routers.ogc.world import World, a_world


@pytest.fixture
async def world(session: AsyncSession, lake: Lake, li: Member, zhou: Member) -> World:
    return await a_world(session, lake, li, zhou)


@pytest.fixture
def anybody(client: Client) -> httpx.AsyncClient:
    """Somebody without any token."""
    return client(None)


@pytest.fixture
async def api(anybody: httpx.AsyncClient) -> dict[str, Any]:
    """The OpenAPI document."""
    document: dict[str, Any] = (await anybody.get("/ogc/api")).json()
    return document
