"""What the errors of a Redis or Valkey server mean, and what to do. Needs the extra `redis`."""

from __future__ import annotations

from typing import Final

from redis import exceptions

from .redis_url import RedisURL

MEANINGS: Final = {
    "NOAUTH": "it asks for a password; put user and password before the host, as in redis://user:password@host",
    "WRONGPASS": "it knows no such user and password; correct them in the URL",
    "NOPERM": "the user may not do this; give it +@read +@write +@scripting +info +time and the keys of the prefix",
    "READONLY": "it is a read-only replica; name the primary, or the sentinels with redis+sentinel://",
    "MASTERDOWN": "it is a replica that lost its primary; name the primary, or the sentinels with redis+sentinel://",
    "LOADING": "it is reading its data after a start; ask again in a moment",
    "OOM": "its memory is full; raise its maxmemory, with the policy noeviction",
    "MOVED": "it is a node of a cluster; use a URL that begins with redis+cluster://",
    "ASK": "it is a node of a cluster; use a URL that begins with redis+cluster://",
    "CROSSSLOT": "it is a node of a cluster; use a URL that begins with redis+cluster://",
    "CLUSTERDOWN": "the cluster is down; bring up the nodes that hold its slots",
    "MISCONF": "it can't write to its disk and refuses changes; look at its log",
    "NOREPLICAS": "too few replicas follow it (min-replicas-to-write); bring them up",
    "BUSY": "it is busy with somebody's long script; SCRIPT KILL ends that",
    "TRYAGAIN": "the cluster is moving these keys; ask again in a moment",
}
"""What to do, by the word with which a server's error begins."""

_BY_CLASS: Final = (
    (exceptions.BusyLoadingError, "LOADING"),
    (exceptions.ReadOnlyError, "READONLY"),
    (exceptions.NoPermissionError, "NOPERM"),
    (exceptions.OutOfMemoryError, "OOM"),
    (exceptions.MasterDownError, "MASTERDOWN"),
    (exceptions.ClusterDownError, "CLUSTERDOWN"),
    (exceptions.MovedError, "MOVED"),
    (exceptions.AskError, "ASK"),
    (exceptions.TryAgainError, "TRYAGAIN"),
    (exceptions.ClusterCrossSlotError, "CROSSSLOT"),
)


def meaning(error: Exception, url: RedisURL) -> str:
    """Return what an error of the driver means, without the URL's secrets."""
    said = str(error)
    for secret in (url.connection.get("password"), url.sentinels.get("password"), url.connection.get("ssl_password")):
        if secret:
            said = said.replace(str(secret), "…")
    word = _word(error, said)
    if word in MEANINGS:
        return f"{MEANINGS[word]} (it said: {said})"
    if isinstance(error, exceptions.TimeoutError | TimeoutError):
        return (
            f"it did not answer in time ({said}); see whether it runs, or raise timeout and socket_timeout in the URL"
        )
    if isinstance(error, exceptions.ConnectionError | OSError):
        return f"it can't be reached: {said or type(error).__name__}"
    return f"it said: {said}"


def passing(error: Exception, url: RedisURL) -> bool:
    """Tell whether the same call may go well on another connection: this one is lost, or led to the wrong server."""
    if isinstance(error, exceptions.AuthenticationError | exceptions.AuthorizationError):
        return False
    if isinstance(error, exceptions.ReadOnlyError | exceptions.MasterDownError):
        return url.kind == "sentinel"
    return isinstance(error, exceptions.ConnectionError | exceptions.TimeoutError | OSError)


def _word(error: Exception, said: str) -> str:
    word = said.partition(" ")[0]
    if word in MEANINGS:
        return word
    # The driver takes the word away from the errors that it knows.
    for kind, name in _BY_CLASS:
        if isinstance(error, kind):
            return name
    if isinstance(error, exceptions.AuthenticationError):
        return "NOAUTH" if "required" in said.lower() else "WRONGPASS"
    return word
