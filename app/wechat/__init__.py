"""Everything WeChat, nothing of patrols: callback, client, tokens, messages, menu, simulator.

Of wechatpy the cipher and the reply are used. Its package, when imported, brings a client, payments
and much else along (70 ms and 10 MB in every process), so it is announced here without being run.
"""

import importlib.util
import sys


def _announce_wechatpy() -> None:
    spec = importlib.util.find_spec("wechatpy")
    if spec is None:
        raise ModuleNotFoundError("wechatpy")
    sys.modules["wechatpy"] = importlib.util.module_from_spec(spec)


if "wechatpy" not in sys.modules:
    _announce_wechatpy()
