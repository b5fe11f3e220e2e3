"""One call to WeChat from beginning to end: circuit, token, pauses, and what the answer means.

Neither a URL nor a body is ever logged: the one carries tokens, the other people.
"""

import asyncio
import random
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from weakref import WeakValueDictionary

import httpx
import orjson
import structlog
from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app import clock
from app.settings import WeChatApp
from app.wechat.circuits import Circuits
from app.wechat.errors import Fault, OutcomeUnknown, Refused, TryAgain
from app.wechat.http import ANSWER_LIMIT, TooMuch, fetch, was_not_sent
from app.wechat.policies import POLICIES, STOPPED_FOR, UNKNOWN, Act, Policy
from app.wechat.tokens import Tokens

log = structlog.get_logger(__name__)

calls_total = Counter("xunhe_wechat_calls_total", "Calls to WeChat", ["path", "outcome"])

STABLE_TOKEN = "cgi-bin/stable_token"  # noqa: S105  a path
_RID = re.compile(r"rid:\s*([0-9a-f-]{1,64})")
_FIELD = re.compile(r"data\.(\w{1,40})")
_JOB_TRIES, _PERSON_TRIES = 3, 2
_JOB_WITHIN_S, _PERSON_WITHIN_S = 12.0, 4.0
_GIVEN_UP_BEFORE_PAUSE = 8
_PAUSE = timedelta(seconds=15)

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True)
class Call:
    """What to ask, and what may be done when it goes wrong.

    `repeatable`: asking twice does no more than asking once. `waited_for`: somebody looks at a
    spinner. `subject`: the template or page, so that a fault of one does not stop the others.
    `binary`: the answer is a file, or JSON when it went wrong.
    """

    method: str
    path: str
    params: Mapping[str, str] | None = None
    body: Mapping[str, Any] | None = None
    with_token: bool = True
    repeatable: bool = True
    waited_for: bool = False
    subject: str = ""
    binary: bool = False
    limit: int = ANSWER_LIMIT
    within_s: float = _JOB_WITHIN_S


class _Troubled(Exception):
    """One try that failed in a way which another may not."""

    def __init__(
        self,
        reason: str,
        *,
        errcode: int = 0,
        sent: bool = True,
        answered: bool = False,
        rid: str = "",
    ) -> None:
        self.reason = reason
        self.errcode = errcode
        self.sent = sent
        self.lost = sent and not answered
        self.rid = rid
        super().__init__(reason)


class Caller:
    """Calls WeChat in the name of one app."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        app: WeChatApp,
        sessions: async_sessionmaker[AsyncSession],
        now: Callable[[], datetime] = clock.now,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.app = app
        self.circuits = Circuits(app.app_id, sessions, now)
        self.token = Tokens(app.app_id, "access_token", sessions, self.fetch_token, now)
        self._http = http
        self._now = now
        self._sleep = sleep
        self._given_up: dict[str, int] = {}
        self._sending: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def json(self, call: Call) -> dict[str, Any]:
        """The answer's members.

        Raises `TryAgain`, `Refused` or `OutcomeUnknown`.
        """
        answer = await self.answer(call)
        return answer if isinstance(answer, dict) else {}

    async def answer(self, call: Call) -> dict[str, Any] | httpx.Response:
        """The answer's members, or the whole answer where it is no JSON (a picture)."""
        if not self.app.is_configured:
            raise TryAgain(call.path, reason="no appid or secret is set")
        narrow = f"{call.path}#{call.subject}" if call.subject else call.path
        await self.circuits.require(call.path, narrow)
        token = await self.token.get() if call.with_token else ""
        answer = await self._try(call, token)
        policy = self._policy(answer)
        if policy and policy.act is Act.refresh and call.with_token:
            answer = await self._try(call, await self.token.replace(token))
            policy = self._policy(answer)
        if policy:
            return await self._consequence(call, narrow, policy, answer)
        self._given_up.pop(call.path, None)
        self._count(call, "ok")
        return answer

    async def send(self, openid: str, call: Call) -> dict[str, Any]:
        """As `json`, one at a time for each `openid`: WeChat refuses two at once (43108)."""
        lock = self._sending.setdefault(openid, asyncio.Lock())
        async with lock:
            return await self.json(call)

    async def download(self, path: str, url: str, *, limit: int, within_s: float) -> httpx.Response:
        """What WeChat points to elsewhere, without our token.

        Raises `TryAgain`, or `Refused` beyond the limit.
        """
        try:
            response = await fetch(
                self._http, self._http.build_request("GET", url), limit=limit, within_s=within_s
            )
        except TooMuch:
            raise _too_large(path) from None
        except (TimeoutError, httpx.HTTPError) as error:
            raise TryAgain(path, reason=type(error).__name__) from None
        if response.status_code != 200:
            raise TryAgain(path, reason=f"HTTP {response.status_code}")
        return response

    @property
    def netloc(self) -> str:
        """Host and port of WeChat's API."""
        return self._http.base_url.netloc.decode()

    async def _try(self, call: Call, token: str) -> dict[str, Any] | httpx.Response:
        """Ask until an answer comes that asking again would not change."""
        tries = _PERSON_TRIES if call.waited_for else _JOB_TRIES
        if not call.repeatable:
            tries = 2
        may_have_happened = lost = False
        for attempt in range(1, tries + 1):
            try:
                answer = await self._once(call, token)
            except _Troubled as trouble:
                may_have_happened = may_have_happened or trouble.sent
                lost = lost or trouble.lost
                self._count(call, trouble.reason)
                log.warning(
                    "wechat call failed", path=call.path, reason=trouble.reason, rid=trouble.rid
                )
                if attempt == tries:
                    if may_have_happened and not call.repeatable:
                        raise OutcomeUnknown(call.path, reason=trouble.reason) from None
                    await self._pause_after_many(call)
                    raise TryAgain(
                        call.path,
                        trouble.errcode,
                        reason=trouble.reason,
                        rid=trouble.rid,
                        lost=lost,
                    ) from None
                await self._sleep(random.uniform(0.5, 1) * 0.4 * 2**attempt)  # noqa: S311  jitter
            else:
                policy = self._policy(answer)
                if may_have_happened and not call.repeatable and policy:
                    # Refused the second time, perhaps because the first did arrive.
                    raise OutcomeUnknown(call.path, reason="refused when sent again")
                return answer
        raise AssertionError("the last try returns or raises")

    async def _once(self, call: Call, token: str) -> dict[str, Any] | httpx.Response:
        params = [*(call.params or {}).items(), *([("access_token", token)] if token else [])]
        # Real UTF-8 and no \u escapes, which the menu refuses (40033).
        content = orjson.dumps(call.body) if call.body is not None else None
        headers = {"Content-Type": "application/json; charset=utf-8"} if content else {}
        request = self._http.build_request(
            call.method,
            _address(self._http.base_url, call.path, tuple(params)),
            content=content,
            headers=headers,
        )
        within_s = _PERSON_WITHIN_S if call.waited_for else call.within_s
        try:
            response = await fetch(self._http, request, limit=call.limit, within_s=within_s)
        except TooMuch:
            raise _too_large(call.path) from None
        except TimeoutError:
            raise _Troubled("TimeoutError") from None
        except httpx.HTTPError as error:
            raise _Troubled(type(error).__name__, sent=not was_not_sent(error)) from None
        if response.status_code != 200:
            raise _Troubled(f"HTTP {response.status_code}", answered=True)
        return self._understood(response, binary=call.binary)

    def _understood(
        self, response: httpx.Response, *, binary: bool
    ) -> dict[str, Any] | httpx.Response:
        """WeChat labels JSON as text/plain now and then; a picture never begins with a brace."""
        if response.content.lstrip()[:1] != b"{":
            # Some proxy's page, perhaps: no call of ours is answered by text.
            if not binary or response.headers["content-type"].startswith("text/"):
                raise _Troubled("no JSON")
            return response
        try:
            answer = orjson.loads(response.content)
        except orjson.JSONDecodeError:
            raise _Troubled("no JSON") from None
        if not isinstance(answer.get("errcode", 0), int):
            raise _Troubled("no errcode")
        if answer.get("errcode") == -1:
            raise _Troubled("busy", errcode=-1, rid=_rid(answer), sent=False)
        return dict(answer)

    def _policy(self, answer: dict[str, Any] | httpx.Response) -> Policy | None:
        errcode = answer.get("errcode", 0) if isinstance(answer, dict) else 0
        return POLICIES.get(errcode, UNKNOWN) if errcode else None

    async def _consequence(
        self, call: Call, narrow: str, policy: Policy, answer: dict[str, Any] | httpx.Response
    ) -> dict[str, Any]:
        assert isinstance(answer, dict)  # noqa: S101  only JSON has an errcode
        errcode, rid = int(answer["errcode"]), _rid(answer)
        self._count(call, str(errcode))
        found = _FIELD.search(str(answer.get("errmsg", "")))
        field = found.group(1) if found else ""
        log.warning("wechat refused", path=call.path, errcode=errcode, rid=rid, field=field)
        now = self._now()
        match policy.act:
            case Act.done:
                return answer
            case Act.refuse:
                raise Refused(call.path, errcode, fault=policy.fault, field=field, rid=rid)
            case Act.until_tomorrow:
                closes_at = clock.end_of(clock.day_of(now))
                await self.circuits.open(call.path, errcode, closes_at)
            case Act.stop:
                closes_at = now + STOPPED_FOR
                await self.circuits.open(narrow if policy.narrow else call.path, errcode, closes_at)
            case _:
                closes_at = now + policy.after
        raise TryAgain(call.path, errcode, after=closes_at - now, rid=rid)

    async def _pause_after_many(self, call: Call) -> None:
        """WeChat is gone rather than busy: leave it alone for a moment, all processes."""
        self._given_up[call.path] = self._given_up.get(call.path, 0) + 1
        if self._given_up[call.path] >= _GIVEN_UP_BEFORE_PAUSE:
            self._given_up.pop(call.path)
            await self.circuits.open(call.path, -1, self._now() + _PAUSE)

    def _count(self, call: Call, outcome: str) -> None:
        calls_total.labels(call.path, outcome).inc()

    async def fetch_token(self, force: bool) -> tuple[str, timedelta]:
        """The token in force at WeChat, or a new one by `force`. Page: "获取稳定版接口调用凭据"."""
        answer = await self.json(
            Call(
                "POST",
                STABLE_TOKEN,
                body={
                    "grant_type": "client_credential",
                    "appid": self.app.app_id,
                    "secret": self.app.secret.get_secret_value(),
                    "force_refresh": force,
                },
                with_token=False,
                waited_for=True,
            )
        )
        token, lifetime = answer.get("access_token"), answer.get("expires_in")
        if not (token and isinstance(token, str) and isinstance(lifetime, int)):
            raise TryAgain(STABLE_TOKEN, reason="an answer without a token")
        return token, timedelta(seconds=lifetime)


@lru_cache(maxsize=64)
def _address(base: httpx.URL, path: str, params: tuple[tuple[str, str], ...]) -> httpx.URL:
    """Where to ask. Spelling it out costs httpx as much as sending: thousands go to one address."""
    return base.copy_with(path=f"{base.path.rstrip('/')}/{path}").copy_merge_params(dict(params))


def _too_large(path: str) -> Refused:
    return Refused(path, 0, fault=Fault.content, field="too large")


def _rid(answer: Mapping[str, Any]) -> str:
    found = _RID.search(str(answer.get("errmsg", "")))
    return found.group(1) if found else ""
