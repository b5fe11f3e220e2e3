"""The record chain: the application vouches for each row that it writes, and for their order.

An event authenticates a row as it stands (`append`, in the transaction that wrote it), a link puts
an event in its place behind all others (`seal`, each minute), a closing says at night how many
there are. Whoever changes, adds or removes a row without the program's key is found (`faults`).
See docs/decisions/0023-the-record-chain.md.
"""

from app.services.chain.opening import begin, take_over
from app.services.chain.recording import GIVEN, INSERT, append, as_json, of_check_ins
from app.services.chain.sealing import seal
from app.services.chain.shapes import CHECK_IN, PHOTO, SHAPES, VERDICT, Shape
from app.services.chain.signing import ChainBroken, use
from app.services.chain.standing import Standing, remarks, standing
from app.services.chain.verifying import faults

__all__ = [
    "CHECK_IN",
    "GIVEN",
    "INSERT",
    "PHOTO",
    "SHAPES",
    "VERDICT",
    "ChainBroken",
    "Shape",
    "Standing",
    "append",
    "as_json",
    "begin",
    "faults",
    "of_check_ins",
    "remarks",
    "seal",
    "standing",
    "take_over",
    "use",
]
