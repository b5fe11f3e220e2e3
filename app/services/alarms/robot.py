"""The WeCom group robot that takes an alarm to the operator. Vendor's page: "群机器人配置说明"."""

import httpx
import structlog

log = structlog.get_logger(__name__)

_TEXT_BYTES = 2048


async def tell(http: httpx.AsyncClient, webhook: str, content: str) -> bool:
    """Whether the robot took it; what is longer than it takes is cut."""
    body = {
        "msgtype": "text",
        "text": {"content": content.encode()[:_TEXT_BYTES].decode(errors="ignore")},
    }
    try:
        response = await http.post(webhook, json=body)
        errcode = response.json().get("errcode", 0) if response.is_success else -1
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, AttributeError) as error:
        # Never the error's text: it may hold the address, which is the robot's key.
        log.warning("alarm not told", error=type(error).__name__)
        return False
    if errcode != 0:
        log.warning("alarm not told", status=response.status_code, errcode=errcode)
    return bool(errcode == 0)
