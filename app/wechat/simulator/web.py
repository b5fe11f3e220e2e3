"""The web phone's own API under /simulator/api: a chat, and what one may do in it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.wechat.simulator import journey, landscape, photos, scenes
from app.wechat.simulator.phone import USER_BLOCK, BadRequest, NotFollowing, Phone
from app.wechat.simulator.platform import Platform
from app.wechat.simulator.records import Account, ChatItem

COOKIE = "simulator_person"
LONGEST_WAIT = 25.0


class BadAct(Exception):
    """The web page asked for something that a phone cannot do."""


class WebPhone:
    """The endpoints, over one platform."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def routes(self) -> list[Route]:
        """Those of the page, to be mounted at /simulator/api."""
        return [
            Route("/setup", self.setup),
            Route("/map", self.map),
            Route("/people/{key}/chat", self.chat),
            Route("/people/{key}/permits", self.permits),
            Route("/unread", self.unread),
            Route("/people/{key}/pick", self.pick, methods=["POST"]),
            Route("/people/{key}/acts", self.act, methods=["POST"]),
            Route("/people/{key}/photos", self.photos, methods=["POST"]),
            Route("/people/{key}/journey", self.journey, methods=["POST"]),
            Route("/media/{media_id}", self.media),
            Route("/samples/{number:int}.jpg", self.sample),
        ]

    async def setup(self, request: Request) -> Response:
        """What the page needs to draw itself."""
        del request
        platform = self._platform
        service, mini = platform.service_account, platform.mini_program
        body = {
            "account": {"name": service.config.name or "服务号", "mode": service.config.mode},
            "mini_program": {"name": mini.config.name or "小程序"},
            "journey": bool(platform.config.backend_url),
            "links": [list(link) for link in platform.config.links],
            "people": [
                {
                    "key": user.key,
                    "name": user.name,
                    "phone": user.phone,
                    "follows": user.contacts[service.config.app_id].follows,
                }
                for user in platform.users.values()
            ],
            "steles": await landscape.steles(platform),
            "templates": [
                {
                    "account": name,
                    "id": template.id,
                    "title": template.title,
                    "long_term": template.long_term,
                }
                for name, account in (("service_account", service), ("mini_program", mini))
                for template in account.config.templates
                if template.kind == "subscribe"
            ],
        }
        return JSONResponse(body)

    async def map(self, request: Request) -> Response:
        """The layers of the map."""
        del request
        return JSONResponse(await landscape.layers(self._platform))

    async def chat(self, request: Request) -> Response:
        """Bubbles after number `after`; with `wait` (seconds) the answer waits for one.

        `read` is the number of the last bubble that somebody saw on this phone.
        """
        phone = self._phone(request)
        user = phone.user
        after = int(request.query_params.get("after", "0"))
        user.read = min(max(user.read, int(request.query_params.get("read", "0"))), len(user.chat))
        wait = min(float(request.query_params.get("wait", "0")), LONGEST_WAIT)
        arrived = user.arrived
        if len(user.chat) == after and wait > 0:
            try:
                async with asyncio.timeout(wait):
                    await arrived.wait()
            except TimeoutError:
                pass
        # A reset leaves a page behind that has seen more than there is: it starts again.
        start = after if after <= len(user.chat) else 0
        body = {
            "from": start,
            "items": [shown(item, self._platform) for item in user.chat[start:]],
            "read": user.read,
            "follows": phone.contact.follows,
            "refuses": user.template_outcome == USER_BLOCK,
            "menu": self._platform.service_account.menu or [],
        }
        return JSONResponse(body)

    async def unread(self, request: Request) -> Response:
        """On which phones something arrived that nobody saw: key → how many, newest first."""
        del request
        waiting = [user for user in self._platform.users.values() if user.unread]
        waiting.sort(key=lambda user: user.chat[-1].at, reverse=True)
        return JSONResponse({user.key: user.unread for user in waiting})

    async def permits(self, request: Request) -> Response:
        """Leave that this person has given: each template for subscriptions, and how often."""
        phone, platform = self._phone(request), self._platform
        named = {"service_account": phone.contact, "mini_program": phone.mini_contact}
        accounts = {
            "service_account": platform.service_account,
            "mini_program": platform.mini_program,
        }
        listed = [
            {
                "account": name,
                "id": template.id,
                "title": template.title,
                "long_term": template.long_term,
                "left": contact.permits[template.id],
                "standing": template.id in contact.standing,
                "settled": contact.settled.get(template.id),
            }
            for name, contact in named.items()
            for template in accounts[name].config.templates
            if template.kind == "subscribe"
        ]
        return JSONResponse(listed)

    async def pick(self, request: Request) -> Response:
        """Make this browser that person's, for web login."""
        phone = self._phone(request)
        response = JSONResponse({"key": phone.user.key})
        response.set_cookie(COOKIE, phone.user.key, samesite="lax", httponly=True, path="/")
        return response

    async def act(self, request: Request) -> Response:
        """Do something on the phone; `?settle=1` waits for all that it brings about."""
        phone = self._phone(request)
        given = await request.json()
        try:
            answer = await self._act(phone, given, settle="settle" in request.query_params)
        except (NotFollowing, BadAct, BadRequest, ValueError, KeyError, TypeError) as error:
            reason = "先关注公众号" if isinstance(error, NotFollowing) else str(error)
            return JSONResponse({"error": reason}, status_code=409)
        return JSONResponse(answer)

    async def photos(self, request: Request) -> Response:
        """Send photos: files of the form, or `samples` drawn ones; `key` when by the menu."""
        phone = self._phone(request)
        async with request.form() as form:
            files = [
                (await file.read(), file.content_type or "image/jpeg")
                for file in form.getlist("files")
                if isinstance(file, UploadFile)
            ]
            number = int(str(form.get("samples", "0")))
            key = str(form.get("key", ""))
        if not phone.contact.follows:
            return JSONResponse({"error": "先关注公众号"}, status_code=409)
        files += [(await self._next_sample(), "image/jpeg") for _ in range(min(number, 9))]
        if key:
            work: list[Awaitable[Any]] = [phone.take_photos(key, [file for file, _ in files])]
        else:
            work = [phone.send_photo(file, kind) for file, kind in files]
        await self._run(asyncio.gather(*work), settle="settle" in request.query_params)
        return JSONResponse({"sent": len(files)})

    async def journey(self, request: Request) -> Response:
        """The mini-program's whole way through our API, at a place (WGS-84)."""
        self._phone(request)
        given = await request.json()
        if not self._platform.config.backend_url:
            return JSONResponse({"error": "没有配置后端地址"}, status_code=409)
        key, lon, lat = request.path_params["key"], float(given["lon"]), float(given["lat"])
        steps = await journey.walk(self._platform, key, lon, lat, self._platform.number())
        return JSONResponse({"steps": steps})

    async def media(self, request: Request) -> Response:
        """What PicUrl and video_url point at."""
        found = self._platform.media.get(request.path_params["media_id"])
        if found is None:
            return Response(status_code=404)
        headers = {"Cache-Control": "max-age=3600", "X-Content-Type-Options": "nosniff"}
        return Response(found.content, media_type=found.content_type, headers=headers)

    async def sample(self, request: Request) -> Response:
        """A drawn photo."""
        content = await asyncio.to_thread(photos.sample, request.path_params["number"])
        return Response(content, media_type="image/jpeg")

    def _phone(self, request: Request) -> Phone:
        key = request.path_params["key"]
        if key not in self._platform.users:
            raise HTTPException(404)
        return self._platform.phone(key)

    async def _next_sample(self) -> bytes:
        # A number that no earlier run used: a photo must not be known already.
        return await asyncio.to_thread(photos.sample, self._platform.number())

    async def _run(self, work: Awaitable[Any], *, settle: bool) -> None:
        """The page does not wait for the callback: answers arrive in the chat."""

        async def done() -> None:
            await work

        task = self._platform.later(done())
        if settle:
            await task
            await self._platform.settle()

    async def _act(self, phone: Phone, given: dict[str, Any], *, settle: bool) -> dict[str, Any]:
        name = given.get("act")
        if name == "login_code":
            return {"code": phone.login_code()}
        if name == "phone_code":
            return {"code": phone.phone_code()}
        if name == "subscription_popup":
            asked = [str(each) for each in given["template_ids"]]
            popup = phone.subscription_popup(asked, account=self._account(given))
            settled = {id_: answer for id_, answer in popup.items() if answer is not None}
            if len(settled) == len(popup):
                work = phone.answer_subscription(settled, account=self._account(given))
                await self._run(work, settle=settle)
            return {"popup": popup}
        if name == "refuse_messages":
            phone.refuse_messages(refused=bool(given["refused"]))
            return {}
        if name == "scan" and opens(str(given["content"]), self._platform.clock()):
            return {"open": given["content"]}
        acts: dict[str, Callable[[], Awaitable[Any]]] = {
            "say": lambda: phone.say(str(given["text"])),
            "follow": lambda: phone.follow(str(given.get("scene", ""))),
            "unfollow": phone.unfollow,
            "scan": lambda: phone.scan(str(given["content"])),
            "scan_and_wait": lambda: phone.scan_and_wait(given["key"], str(given["content"])),
            "click": lambda: phone.click(str(given["key"])),
            "view": lambda: phone.view(str(given["url"])),
            "voice": phone.send_voice,
            "video": phone.send_video,
            "location": lambda: self._location(
                phone, str(given.get("key", "")), self._place(given), str(given.get("label", ""))
            ),
            "report_location": lambda: phone.report_location(*self._place(given)),
            "subscription": lambda: self._subscription(phone, given),
            "cancel_subscription": lambda: phone.cancel_subscription(
                str(given["template_id"]), account=self._account(given)
            ),
            "revoke": phone.revoke_authorization,
        }
        if name not in acts:
            raise BadAct(f"没有这个动作：{name}")
        free = {"follow", "unfollow", "scan", "subscription", "cancel_subscription", "revoke"}
        if name not in free and not phone.contact.follows:
            raise NotFollowing(phone.user.name)
        await self._run(acts[name](), settle=settle)
        return {}

    async def _subscription(self, phone: Phone, given: dict[str, Any]) -> None:
        """WeChat tells the callback, and the mini-program that asked tells our API as well."""
        answers, account = dict(given["answers"]), self._account(given)
        if account is self._platform.mini_program:
            await journey.tell_subscription(self._platform, phone.user.key, answers)
        await phone.answer_subscription(answers, account=account, always=bool(given.get("always")))

    async def _location(
        self, phone: Phone, key: str, place: tuple[float, float], label: str
    ) -> None:
        if key:
            await phone.choose_location(key, *place, label=label)
        else:
            await phone.send_location(*place, label=label)

    def _place(self, given: dict[str, Any]) -> tuple[float, float]:
        return float(given["lon"]), float(given["lat"])

    def _account(self, given: dict[str, Any]) -> Account:
        if given.get("account") == "mini_program":
            return self._platform.mini_program
        return self._platform.service_account


def opens(content: str, now: float) -> bool:
    """Whether what a QR code says is an address to open, not a code of the account."""
    return "://" in content and scenes.scene_of(content, now) is None


def shown(item: ChatItem, platform: Platform) -> dict[str, Any]:
    """A bubble as the page draws it."""
    named = json.loads(json.dumps(item.raw, ensure_ascii=False, default=str))
    return {
        "seq": item.seq,
        "at": item.at,
        "mine": item.mine,
        "kind": item.kind,
        "type": item.type,
        "from": "mini" if item.app_id == platform.mini_program.config.app_id else "service",
        "text": item.text,
        "title": item.title,
        "lines": item.lines,
        "url": item.url,
        "page": item.page,
        "media_id": item.media_id,
        "place": [named["lon"], named["lat"]] if item.type == "location" else None,
    }
