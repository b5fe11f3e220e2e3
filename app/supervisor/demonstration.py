"""What `serve --demo` adds to the settings: a WeChat that is simulated on this machine."""

import secrets

SERVICE_ACCOUNT, MINI_PROGRAM = "XUNHE_SERVICE_ACCOUNT", "XUNHE_MINI_PROGRAM"


def environment(web: str, simulator: str) -> dict[str, str]:
    """The children's further environment; keys and tokens are drawn anew at each start.

    `web` and `simulator` are the two `http://…` addresses.
    """
    made = {
        "XUNHE_DEMO": "true",
        "XUNHE_PUBLIC_URL": web,
        "XUNHE_WECHAT_API_URL": simulator,
    }
    for prefix, app_id in (
        (SERVICE_ACCOUNT, "wxdemoservice0001"),
        (MINI_PROGRAM, "wxdemomini0000001"),
    ):
        made |= {
            f"{prefix}_APP_ID": app_id,
            f"{prefix}_SECRET": secrets.token_hex(16),
            f"{prefix}_TOKEN": secrets.token_hex(16),
            f"{prefix}_AES_KEY": secrets.token_hex(22)[:43],
            f"{prefix}_MODE": "safe",
        }
    return made
