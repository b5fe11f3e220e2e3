"""Everything WeChat, nothing of patrols: callback, client, tokens, messages, menu, simulator.

Of wechatpy the cipher and the reply are used, not the client, payments and all else that its
package would load (70 ms and 10 MB in every process).
"""

from app import packages

packages.announce("wechatpy")
