"""The script that decides, and how it is called: one EVALSHA a call."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import Final, Protocol

SCRIPT: Final = files("seatperm.stores").joinpath("redis_seats.lua").read_bytes()
"""The script, in Lua. Its arguments: the verb, the server's run id, "1" where it was sent before, the verb's own."""

SHA: Final = hashlib.sha1(SCRIPT, usedforsecurity=False).hexdigest().encode()
"""What servers call the script."""

_EVALSHA: Final = b"$7\r\nEVALSHA\r\n$40\r\n" + SHA
_WORD: Final = b"$%d\r\n%b\r\n"
_EVAL: Final = b"$4\r\nEVAL\r\n$%d\r\n%b" % (len(SCRIPT), SCRIPT)


class Server(Protocol):
    """What runs the script."""

    def run(self, verb: bytes, keys: Sequence[bytes], arguments: Sequence[bytes]) -> bytes | None:
        """Run the script once, whatever it takes, and return its answer as it is: JSON, or None for nothing.

        Sent again after a lost connection, it says so to the script.

        Args:
            verb: what to do.
            keys: all in one slot of a cluster.
            arguments: the verb's own; the script gets the server's run id, and whether it was sent before, too.

        Raises:
            StoreUnavailable: it did not run, or did and the answer is lost.
        """
        ...

    def close(self) -> None:
        """Close every connection; later calls raise `StoreUnavailable`."""
        ...


def command(keys: Sequence[bytes], arguments: Sequence[bytes], *, whole: bool = False) -> bytes:
    """Return the call as the protocol sends it: EVALSHA, or with `whole` EVAL, which brings the script along."""
    words = [*keys, *arguments]
    measured = [each for word in words for each in (len(word), word)]
    head = b"*%d\r\n%b\r\n$%d\r\n%d\r\n"
    script = _EVAL if whole else _EVALSHA
    return (head + _WORD * len(words)) % (3 + len(words), script, len(str(len(keys))), len(keys), *measured)


def run_id(info: bytes) -> bytes:
    """Return the server's run id, which is another after every start, out of what `INFO server` says."""
    return info.partition(b"\nrun_id:")[2].partition(b"\r")[0]
