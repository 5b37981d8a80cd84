"""Ed25519 signatures on texts, as JSON Web Signatures. Needs the extra `license`; imported only when it is used."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from .errors import InvalidLicense, InvalidValue

ALGORITHM = "Ed25519"
"""The one algorithm (RFC 9864), whatever a text says of itself."""

TYPE = "seatperm-license"
"""What the header names, so that nothing else that the key has signed passes for a license."""


def new_key(kid: str | None) -> dict[str, str]:
    """Return a new private key as a JWK; its id is its thumbprint (RFC 7638) unless said."""
    key = OKPKey.generate_key("Ed25519", private=True)
    parts = {name: str(key.as_dict(private=True)[name]) for name in ("kty", "crv", "x", "d")}
    return {**parts, "kid": kid or key.thumbprint(), "alg": ALGORITHM, "use": "sig"}


def check_key(parts: Mapping[str, str]) -> None:
    """Go on only if these are the parts of an Ed25519 key.

    Raises:
        InvalidValue: they are not; nothing of the key is shown.
    """
    _imported(parts)


def sign(private_key: Mapping[str, str], kid: str, payload: bytes) -> str:
    """Return the payload and its signature as one line of text."""
    header = {"alg": ALGORITHM, "kid": kid, "typ": TYPE}
    return jws.serialize_compact(header, payload, _imported(private_key), [ALGORITHM])


def opened(text: str, keys: Mapping[str, Mapping[str, str]]) -> tuple[str, bytes]:
    """Return the id of the key that signed a text, and what it signed.

    Args:
        text: what `sign` returned.
        keys: the public keys that are trusted, by key id.

    Raises:
        InvalidLicense: none of them signed it as it is.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", text):
        raise InvalidLicense(["it is no signed license file"], "malformed")
    try:
        found = jws.extract_compact(text.encode("ascii"))
    except (JoseError, ValueError, RecursionError) as error:
        raise InvalidLicense(["it is no signed license file"], "malformed") from error
    header: object = found.protected
    if not isinstance(header, dict) or header.keys() != {"alg", "kid", "typ"} or header["typ"] != TYPE:
        raise InvalidLicense([f"its header is {_shown(header)}; expected alg, kid, and typ {TYPE!r}"], "malformed")
    if header["alg"] != ALGORITHM:
        raise InvalidLicense([f"it is signed by {_shown(header['alg'])}; expected {ALGORITHM}"], "algorithm")
    kid = header["kid"]
    if not isinstance(kid, str) or kid not in keys:
        known = ", ".join(sorted(keys)) or "none"
        raise InvalidLicense([f"it is signed by the key {_shown(kid)}; known keys: {known}"], "unknown_key")
    try:
        whole = jws.validate_compact(found, _imported(keys[kid]), [ALGORITHM])
    except JoseError:
        whole = False
    if not whole:
        raise InvalidLicense([f"it is not as the key {kid!r} signed it"], "altered")
    return kid, found.payload


def _imported(parts: Mapping[str, str]) -> OKPKey:
    try:
        return OKPKey.import_key({name: parts[name] for name in ("kty", "crv", "x", "d") if name in parts})
    except (JoseError, ValueError) as error:
        raise InvalidValue("key", parts.get("kid"), "the id of a whole Ed25519 key") from error


def _shown(value: object) -> str:
    return json.dumps(value)[:200]
