"""The two doors at which WeChat calls: what is needed to tell its pushes from anybody else's."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from app.models import App
from app.settings import BadSettings, CallbackMode, Settings, WeChatApp
from app.wechat.envelope import Envelope


@dataclass(frozen=True)
class Door:
    """One app's callback: its appid, token and key never appear in a repr."""

    app: App
    mode: CallbackMode
    app_id: str
    token: str = field(repr=False)
    aes_key: str = field(repr=False, default="")

    @cached_property
    def envelope(self) -> Envelope:
        """What seals and opens for this door; only where there is a key."""
        return Envelope(self.token, self.aes_key, self.app_id)


def open_doors(settings: Settings) -> Mapping[App, Door]:
    """The doors that are configured; an app without a token has none.

    Raises `BadSettings`: an empty token would let anybody sign, so half a configuration is none.
    """
    doors = {}
    for app, given in (
        (App.service_account, settings.service_account),
        (App.mini_program, settings.mini_program),
    ):
        prefix = f"XUNHE_{app.upper()}_"
        if not _wants_pushes(app, given):
            continue
        if not given.token.get_secret_value().strip():
            raise BadSettings(f"{prefix}TOKEN: must not be empty, WeChat signs with it")
        if not given.app_id:
            raise BadSettings(f"{prefix}APP_ID: must not be empty when there is a token")
        key = given.aes_key.get_secret_value()
        if given.callback_mode is not CallbackMode.plain and not _is_a_key(key):
            raise BadSettings(f"{prefix}AES_KEY: must be the 43 letters and digits WeChat shows")
        doors[app] = Door(
            app, given.callback_mode, given.app_id, given.token.get_secret_value(), key
        )
    return doors


def _wants_pushes(app: App, given: WeChatApp) -> bool:
    """A mini-program may do without a callback; a service account without one is mute."""
    return bool(
        given.token.get_secret_value()
        or given.aes_key.get_secret_value()
        or given.mode
        or (app is App.service_account and given.app_id)
    )


def _is_a_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key + "=", validate=True)) == 32
    except (binascii.Error, ValueError):
        return False
