"""A person's telephone: everything somebody can do in WeChat that the platform notices."""

import asyncio
import hashlib
import secrets
from typing import Any

from app.wechat.simulator import scenes
from app.wechat.simulator.datum import to_gcj02
from app.wechat.simulator.events import subscription_event
from app.wechat.simulator.pushes import Pushes
from app.wechat.simulator.records import (
    Account,
    ChatItem,
    Code,
    Contact,
    Push,
    User,
    Window,
)
from app.wechat.simulator.state import World

CODE_SECONDS = 300


MOST_TEMPLATES = 3
ANSWERS = {"accept": "允许", "reject": "拒绝"}
USER_BLOCK = "failed:user block"


class NotFollowing(Exception):
    """The chat of an account is only open to its followers."""


class BadRequest(Exception):
    """What a page asked of WeChat is not to be had: the popup does not open."""


class Phone:
    """One person's phone. Acts that the callback answers end when the answer was shown."""

    def __init__(self, world: World, pushes: Pushes, user: User) -> None:
        self.user = user
        self._world = world
        self._push = pushes
        self._account = world.service_account

    @property
    def contact(self) -> Contact:
        """How this person stands with the service account."""
        return self.user.contacts[self._account.config.app_id]

    @property
    def mini_contact(self) -> Contact:
        """How this person stands with the mini-program."""
        return self.user.contacts[self._world.mini_program.config.app_id]

    # Following and scanning

    async def follow(self, scene: str = "") -> Push:
        """Follow the account, perhaps through a code with a scene."""
        self.contact.follows = True
        self.contact.followed_at = self._world.clock()
        self.contact.scene = scene
        self._acted()
        self._own("event", f"关注了公众号{'（扫码）' if scene else ''}")
        key = {"EventKey": f"qrscene_{scene}", "Ticket": scenes.ticket(scene)} if scene else {}
        return await self._event("subscribe", key or {"EventKey": ""})

    async def unfollow(self) -> Push:
        """Unfollow: windows and leave to send are gone."""
        contact = self.contact
        contact.follows = False
        contact.message_window = contact.action_window = None
        contact.permits.clear()
        contact.standing.clear()
        contact.settled.clear()
        self._own("event", "取消了关注")
        return await self._event("unsubscribe", {"EventKey": ""})

    async def scan(self, content: str) -> Push | str:
        """Scan a QR code with WeChat: a scene of the account, or an address that opens.

        Returns the push, or the address to open.
        """
        scene = scenes.scene_of(content, self._world.clock())
        if scene is None:
            if "://" in content:
                return content
            scene = content
        if not self.contact.follows:
            return await self.follow(scene)
        self._acted()
        self._own("event", f"扫描了二维码 {scene}")
        return await self._event("SCAN", {"EventKey": scene, "Ticket": scenes.ticket(scene)})

    # Messages

    async def say(self, text: str) -> Push:
        """Write a text message."""
        self._own("text", text)
        return await self._message({"MsgType": "text", "Content": text})

    async def send_location(
        self, lon: float, lat: float, *, label: str = "", datum: str = "wgs84"
    ) -> Push:
        """Send a place picked on the map (degrees); it goes out in GCJ-02."""
        lon, lat = to_gcj02(lon, lat) if datum == "wgs84" else (lon, lat)
        self._own("location", label, raw={"lon": round(lon, 6), "lat": round(lat, 6)})
        fields = {
            "MsgType": "location",
            "Location_X": f"{lat:.6f}",
            "Location_Y": f"{lon:.6f}",
            "Scale": 16,
            "Label": label,
        }
        return await self._message(fields)

    async def send_photo(self, content: bytes, content_type: str = "image/jpeg") -> Push:
        """Send a photo."""
        return await self._message(self._image(content, content_type))

    async def send_voice(self, content: bytes = b"#!AMR\n") -> Push:
        """Send a voice message; the platform no longer writes down what was said."""
        media_id = self._world.keep_media(self._app_id, "voice", content, "audio/amr")
        self._own("voice", media_id=media_id)
        return await self._message({"MsgType": "voice", "MediaId": media_id, "Format": "amr"})

    async def send_video(self, content: bytes = b"\0\0\0\x18ftypmp42") -> Push:
        """Send a video."""
        media_id = self._world.keep_media(self._app_id, "video", content, "video/mp4")
        thumb_id = self._world.keep_media(self._app_id, "thumb", b"\xff\xd8\xff\xd9", "image/jpeg")
        self._own("video", media_id=media_id)
        fields = {"MsgType": "video", "MediaId": media_id, "ThumbMediaId": thumb_id}
        return await self._message(fields)

    # The menu

    async def click(self, key: str) -> Push:
        """Tap a menu entry of type click."""
        self._following()
        self._acted()
        self._own("event", f"点击菜单 {self._label(key)}")
        return await self._event("CLICK", {"EventKey": key})

    async def view(self, url: str) -> Push:
        """Tap a menu entry that opens a page."""
        self._following()
        self._acted()
        return await self._event("VIEW", {"EventKey": url})

    async def choose_location(
        self, key: str, lon: float, lat: float, *, label: str = "", datum: str = "wgs84"
    ) -> list[Push]:
        """Tap 发送位置 and pick a place: an event, and the location message that follows it."""
        self._following()
        self._acted()
        shifted = to_gcj02(lon, lat) if datum == "wgs84" else (lon, lat)
        info = {
            "Location_X": f"{shifted[1]:.6f}",
            "Location_Y": f"{shifted[0]:.6f}",
            "Scale": "16",
            "Label": label,
            "Poiname": "",
        }
        event = await self._event("location_select", {"EventKey": key, "SendLocationInfo": info})
        message = await self.send_location(lon, lat, label=label, datum=datum)
        return [event, message]

    async def take_photos(self, key: str, photos: list[bytes]) -> list[Push]:
        """Tap 拍照 and take photos: an event, and then every photo, all at once."""
        self._following()
        self._acted()
        hashes = [hashlib.md5(photo, usedforsecurity=False).hexdigest() for photo in photos]
        info = {
            "Count": len(photos),
            "PicList": {"item": [{"PicMd5Sum": digest} for digest in hashes]},
        }
        event = await self._event("pic_sysphoto", {"EventKey": key, "SendPicsInfo": info})
        images = [self._image(photo, "image/jpeg") for photo in photos]
        return [event, *await asyncio.gather(*(self._message(image) for image in images))]

    async def scan_and_wait(self, key: str, content: str) -> Push:
        """Tap 扫界碑 and scan: the account gets what the code says and answers in the chat."""
        self._following()
        self._acted()
        self._own("event", f"扫码：{content}")
        info = {"ScanType": "qrcode", "ScanResult": content}
        return await self._event("scancode_waitmsg", {"EventKey": key, "ScanCodeInfo": info})

    async def report_location(self, lon: float, lat: float, precision: float = 40.0) -> Push:
        """Enter the chat with 提供位置 switched on: the LOCATION event, in WGS-84."""
        self._following()
        fields = {"Latitude": f"{lat:.6f}", "Longitude": f"{lon:.6f}"}
        return await self._event("LOCATION", {**fields, "Precision": f"{precision:.6f}"})

    # Leave to send

    def subscription_popup(
        self, template_ids: list[str], *, account: Account | None = None
    ) -> dict[str, str | None]:
        """What wx.requestSubscribeMessage shows: template id → None, or the settled answer.

        Where nothing is None no popup opens: the settled answers are given at once.

        Raises `BadRequest` as the real one fails: no or too many templates, an unknown one, those
        for once together with those for the long term.
        """
        account = account or self._account
        if not 0 < len(template_ids) <= MOST_TEMPLATES:
            raise BadRequest("一次可以请求 1 到 3 个模板")
        templates = [account.template(id_, "subscribe") for id_ in template_ids]
        found = [template for template in templates if template is not None]
        if len(found) < len(templates):
            raise BadRequest("没有这个订阅模板")
        if len({template.long_term for template in found}) > 1:
            raise BadRequest("一次性订阅和长期订阅不能一起请求")
        settled = self.user.contacts[account.config.app_id].settled
        return {id_: settled.get(id_) for id_ in template_ids}

    async def answer_subscription(
        self,
        answers: dict[str, str],
        *,
        account: Account | None = None,
        scene: str = "0",
        always: bool = False,
    ) -> Push:
        """Answer a subscription popup: template id → accept or reject.

        `always`: 总是保持以上选择，不再询问 is ticked.
        """
        account = account or self._account
        contact = self.user.contacts[account.config.app_id]
        if always:
            contact.settled |= answers
        rows = []
        for template_id, answer in answers.items():
            template = account.template(template_id, "subscribe")
            if answer == "accept" and template is not None:
                if template.long_term:
                    contact.standing.add(template_id)
                else:
                    contact.permits[template_id] += 1
            rows.append(
                {
                    "TemplateId": template_id,
                    "SubscribeStatusString": answer,
                    "PopupScene": scene,
                }
            )
        said = "、".join(ANSWERS.get(answer, answer) for answer in answers.values())
        self._own("event", f"订阅消息：{said}", app_id=account.config.app_id)
        return await self._list_event(account, "popup", rows)

    async def cancel_subscription(
        self, template_id: str, *, account: Account | None = None
    ) -> Push:
        """Switch off messages of a template in the settings."""
        account = account or self._account
        contact = self.user.contacts[account.config.app_id]
        contact.permits.pop(template_id, None)
        contact.standing.discard(template_id)
        contact.settled.pop(template_id, None)
        self._own("event", "在设置里关闭了订阅消息", app_id=account.config.app_id)
        row = {"TemplateId": template_id, "SubscribeStatusString": "reject"}
        return await self._list_event(account, "change", [row])

    def refuse_messages(self, *, refused: bool) -> None:
        """Switch the account's messages off (拒收消息) or on; the platform tells nobody."""
        self.user.template_outcome = USER_BLOCK if refused else "success"
        self._own("event", "拒收公众号的消息" if refused else "接收公众号的消息")

    async def revoke_authorization(self) -> Push:
        """Withdraw the mini-program's leave to use one's personal data."""
        account = self._world.mini_program
        fields = {
            "OpenID": self.mini_contact.openid,
            "AppID": account.config.app_id,
            "RevokeInfo": "1",
            "PluginID": "",
        }
        event = {"MsgType": "event", "Event": "user_authorization_revoke", **fields}
        return await self._push.send(account, self.user, event)

    # The mini-program and the browser

    def login_code(self) -> str:
        """What `wx.login` gives: a code, single use, five minutes."""
        self.mini_contact.last_interaction = self._world.clock()
        return self._code("login", self._world.mini_program)

    def phone_code(self) -> str:
        """What the getPhoneNumber button gives. Raises ValueError without a phone number."""
        if self.user.phone is None:
            raise ValueError("这个微信没有绑定手机号")
        self.mini_contact.last_interaction = self._world.clock()
        return self._code("phone", self._world.mini_program)

    def web_code(self, *, snapshot: bool = False) -> str:
        """What a page of the account gets back from web login."""
        return self._code("web", self._account, snapshot=snapshot or self.user.snapshot)

    # Waiting

    async def next_item(self, after: int, seconds: float = 5.0) -> ChatItem | None:
        """The first thing to arrive beyond bubble number `after`, None after so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    for item in self.user.chat[after:]:
                        if not item.mine:
                            return item
                    await self.user.arrived.wait()
        except TimeoutError:
            return None

    @property
    def _app_id(self) -> str:
        return self._account.config.app_id

    def _code(self, kind: str, account: Account, *, snapshot: bool = False) -> str:
        value = "0" + secrets.token_urlsafe(24)[:31].replace("-", "x")
        expires_at = self._world.clock() + CODE_SECONDS
        self._world.codes[value] = Code(
            kind, account.config.app_id, self.user, expires_at, snapshot=snapshot
        )
        return value

    def _following(self) -> None:
        if not self.contact.follows:
            raise NotFollowing(self.user.name)

    def _acted(self) -> None:
        now = self._world.clock()
        self.contact.last_interaction = now
        self.contact.action_window = Window(until=now + 60, left=3)

    def _own(self, type_: str, text: str = "", *, app_id: str = "", **given: Any) -> None:
        if type_ != "event":
            self._following()
        self._world.bubble(self.user, "own", type_, app_id or self._app_id, text=text, **given)

    def _image(self, content: bytes, content_type: str) -> dict[str, Any]:
        media_id = self._world.keep_media(self._app_id, "image", content, content_type)
        self._own("image", media_id=media_id)
        url = f"{self._world.config.base_url}/simulator/api/media/{media_id}"
        return {"MsgType": "image", "PicUrl": url, "MediaId": media_id}

    def _label(self, key: str) -> str:
        for top in self._account.menu or []:
            for button in [top, *top.get("sub_button", [])]:
                if button.get("key") == key:
                    return str(button["name"])
        return key

    async def _message(self, fields: dict[str, Any]) -> Push:
        self._following()
        now = self._world.clock()
        self.contact.last_interaction = now
        self.contact.message_window = Window(until=now + 48 * 3600, left=5)
        return await self._push.send(self._account, self.user, fields, numbered=True)

    async def _event(self, event: str, fields: dict[str, Any]) -> Push:
        message = {"MsgType": "event", "Event": event, **fields}
        return await self._push.send(self._account, self.user, message)

    async def _list_event(self, account: Account, what: str, rows: list[dict[str, Any]]) -> Push:
        fields = subscription_event(account, what, rows)
        return await self._push.send(account, self.user, fields)
