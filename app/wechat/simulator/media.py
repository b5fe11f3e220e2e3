"""Temporary media: fetched by id for three days, uploaded as multipart."""

from typing import Any

from app.wechat.simulator.caller import Binary, Caller
from app.wechat.simulator.refusals import Refused

SUFFIXES = {"image/jpeg": "jpg", "image/png": "png", "audio/amr": "amr", "video/mp4": "mp4"}
LARGEST = {"image": 10 << 20, "voice": 2 << 20, "video": 10 << 20, "thumb": 64 << 10}


def get(caller: Caller) -> Binary | dict[str, Any]:
    """cgi-bin/media/get: the bytes; for a video its address. Refuses 40007."""
    media_id = caller.query.get("media_id", "")
    found = caller.platform.media.get(media_id)
    if (
        found is None
        or found.app_id != caller.account.config.app_id
        or found.expires_at <= caller.now
    ):
        raise Refused(40007)
    if found.kind == "video":
        base = caller.platform.config.base_url
        return {"video_url": f"{base}/simulator/api/media/{media_id}"}
    name = f"{media_id}.{SUFFIXES.get(found.content_type, 'bin')}"
    headers = {
        "Content-disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-cache, must-revalidate",
    }
    return Binary(found.content, found.content_type, headers)


def upload(caller: Caller) -> dict[str, Any]:
    """cgi-bin/media/upload: the field `media` of a form. Refuses 40004, 40009."""
    kind = caller.query.get("type", "")
    if kind not in LARGEST:
        raise Refused(40004)
    if caller.upload is None or not caller.upload[0]:
        raise Refused(44001)
    content, content_type = caller.upload
    if len(content) > LARGEST[kind]:
        raise Refused(40009)
    media_id = caller.platform.keep_media(caller.account.config.app_id, kind, content, content_type)
    return {"type": kind, "media_id": media_id, "created_at": int(caller.now)}
