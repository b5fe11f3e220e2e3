"""Leave to send: what some of the demo's people gave on their phones, at the first start."""

import asyncio
from collections.abc import Mapping, Sequence

import httpx
import structlog
from sqlalchemy import select

from app.models import App, Channel, Person, SendPermit, WechatUser
from app.services.reminders import channels
from app.state import State

log = structlog.get_logger(__name__)

_PAUSE_S, _TRIES = 1, 20
# Code → the channels of whose templates they accepted a message, one accept each.
GIVEN: Mapping[str, Sequence[Channel]] = {
    **dict.fromkeys(("P003", "P007", "P116"), (Channel.long_term,)),
    # Two reminders reach who never followed, then the telephone must.
    "P131": (Channel.mini_program,) * 2,
    "P121": (Channel.service_account,),
}
_APPS = {Channel.mini_program: App.mini_program}


async def give(state: State) -> None:
    """Let everybody give theirs who has given none yet, and wait until WeChat has told us so."""
    async with state["sessions"]() as session:
        rows = await session.execute(
            select(Person.code)
            .join(WechatUser, WechatUser.person_id == Person.id)
            .join(SendPermit, SendPermit.wechat_user_id == WechatUser.id)
        )
        already = set(rows.scalars())
    settings = state["settings"]
    async with httpx.AsyncClient(base_url=settings.wechat_api_url, trust_env=False) as http:
        for code in GIVEN.keys() - already:
            for n, channel in enumerate(GIVEN[code]):
                if n:
                    # WeChat's events tell the second, and two in one would count once.
                    await asyncio.sleep(_PAUSE_S + 0.1)
                template = channels.template_of(channel, settings)
                if template is not None:
                    await _accept(http, code, _APPS.get(channel, App.service_account), template.id)


async def _accept(http: httpx.AsyncClient, code: str, app: App, template_id: str) -> None:
    answer = {
        "act": "subscription",
        "account": app.value,
        "answers": {template_id: "accept"},
    }
    # The simulated WeChat may be just beginning.
    for _ in range(_TRIES):
        try:
            done = await http.post(f"/simulator/api/people/{code}/acts?settle=1", json=answer)
            done.raise_for_status()
        except httpx.HTTPError:
            await asyncio.sleep(_PAUSE_S)
        else:
            return
    log.warning("demo without leave to send", person=code)
