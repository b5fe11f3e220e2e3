"""The map of the web phone: GeoJSON layers from wherever the configuration says they are."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from app.wechat.simulator.platform import Platform

LAYERS = ("waterbodies", "reaches", "grid_cells", "steles")


async def layers(platform: Platform) -> dict[str, Any]:
    """Every configured layer as a FeatureCollection; one that cannot be read is left out."""
    found: dict[str, Any] = {}
    for name in LAYERS:
        source = platform.config.map_layers.get(name)
        if source is None:
            continue
        try:
            found[name] = await _read(platform.http, source)
        except (OSError, ValueError, httpx.HTTPError):
            continue
    return found


async def steles(platform: Platform) -> list[dict[str, Any]]:
    """The steles on the map: code, name, position, and what their QR codes say."""
    config = platform.config
    collection = (await layers(platform)).get("steles", {})
    listed = []
    for feature in collection.get("features", []):
        properties = feature.get("properties") or {}
        code = properties.get("code")
        coordinates = (feature.get("geometry") or {}).get("coordinates")
        if not code or not coordinates:
            continue
        listed.append(
            {
                "code": code,
                "name": properties.get("name") or code,
                "lon": coordinates[0],
                "lat": coordinates[1],
                "url": config.stele_urls.get(code, config.stele_url.replace("{code}", code)),
                "scene": config.stele_scene.replace("{code}", code),
            }
        )
    return listed


async def _read(http: httpx.AsyncClient, source: str | Mapping[str, Any]) -> Any:
    if isinstance(source, Mapping):
        return source
    if source.startswith(("http://", "https://")):
        answer = await http.get(source)
        return answer.raise_for_status().json()
    return json.loads(await asyncio.to_thread(Path(source).read_text, "utf-8"))
