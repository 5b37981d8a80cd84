"""Signed license files: a vendor issues them, a host installs them with the vendor's public keys.

Needs the extra `license`. A key is a JSON Web Key (RFC 7517): a dictionary that `json` reads and writes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from types import ModuleType
from typing import Any, TypeGuard

from attrs import evolve, frozen

from .clock import aware
from .errors import InvalidLicense, InvalidValue, MissingExtra
from .license import License, problems, summary

PublicKeys = Mapping[str, object] | Iterable[Mapping[str, object]]
"""Public keys: a JWK, several, a JWK set, or a mapping of key ids to JWKs."""

AHEAD = timedelta(days=1)
"""How far a vendor's clock may be ahead of the host's."""


@frozen
class LicenseFile:
    """What a license file says.

    Attributes:
        organization: the id of the organization that it is for.
        license: its terms.
        issued: when it was issued; the later of two files counts.
        install_by: the moment up to which it can be installed, None for any time.
        kid: the id of the key that signed it.
    """

    organization: str
    license: License
    issued: datetime
    install_by: datetime | None
    kid: str


def generate_key(kid: str | None = None) -> dict[str, str]:
    """Return a new private Ed25519 key as a JWK: keep it secret, and give hosts its `public_key`.

    Args:
        kid: the key's id, which every file that it signs names; the key's thumbprint (RFC 7638) unless said.

    Raises:
        MissingExtra: the extra `license` is not installed.
        InvalidValue: the id is no string, or empty.
    """
    if kid is not None and (not isinstance(kid, str) or not kid):
        raise InvalidValue("kid", kid, "a string that names the key, or None")
    key: dict[str, str] = _signing().new_key(kid)
    return key


def public_key(private_key: Mapping[str, object]) -> dict[str, str]:
    """Return the public part of a key: what hosts get.

    Raises:
        InvalidValue: it is no Ed25519 key.
    """
    return {name: text for name, text in _parts(private_key).items() if name != "d"}


def issue(
    private_key: Mapping[str, object],
    *,
    organization: str,
    license: License,
    issued: datetime,
    install_by: datetime | None = None,
    kid: str | None = None,
) -> str:
    """Return the text of a signed license file, one line of ASCII.

    Args:
        private_key: a private JWK, as `generate_key` returns it.
        organization: the id of the organization that it is for.
        license: its terms, all of them: an installed file replaces the license as a whole.
        issued: when it is issued, timezone-aware: an installed file is only replaced by a later one.
        install_by: the moment up to which it can be installed, timezone-aware; None for any time.
        kid: the key's id, where the key names none.

    Raises:
        MissingExtra: the extra `license` is not installed.
        InvalidLicense: the terms don't hold together; package names are looked up when it is installed.
        InvalidValue: the key is no private Ed25519 key, or a time has no zone.
    """
    parts = _parts({**private_key, "kid": kid or private_key.get("kid")})
    if "d" not in parts:
        raise InvalidValue("private_key", parts["kid"], "the id of a private key, not of a public one")
    terms = evolve(
        license,
        valid_from=_utc("valid_from", license.valid_from),
        valid_until=_utc("valid_until", license.valid_until),
    )
    wrong = tuple(problems(terms))
    if wrong:
        raise InvalidLicense(wrong)
    payload = {
        "organization": organization,
        "issued": aware("issued", issued).isoformat(),
        "install_by": install_by and aware("install_by", install_by).isoformat(),
        "license": summary(terms),
    }
    text: str = _signing().sign(parts, parts["kid"], json.dumps(payload).encode())
    # Read back: a key whose parts don't belong together, or a value that JSON changes, shows here and not at a host.
    read(text, public_key(parts))
    return text


def read(text: str, keys: PublicKeys) -> LicenseFile:
    """Return what a license file says, once its signature is found good.

    Args:
        text: the file's text; space around it does not count.
        keys: the vendor's public keys, of which one must have signed it.

    Raises:
        MissingExtra: the extra `license` is not installed.
        InvalidLicense: it was altered, is signed otherwise or by none of the keys, or is no license file.
        InvalidValue: the text is no string, or a key is no public Ed25519 key with an id.
    """
    if not isinstance(text, str):
        raise InvalidValue("text", text, "the text of a license file, a string")
    kid, payload = _signing().opened(text.strip(), _public_keys(keys))
    try:
        said = json.loads(payload)
        _only(said, "organization", "issued", "install_by", "license")
        issued, install_by = _moment(said["issued"]), _moment(said.get("install_by"))
        if issued is None or not isinstance(said["organization"], str):
            raise TypeError(f"it is for {said['organization']!r}, issued {issued}")
        license = read_terms(said["license"])
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidLicense([f"what it says can't be read here: {error}"], "malformed") from error
    wrong = tuple(problems(license))
    if wrong:
        raise InvalidLicense(wrong)
    return LicenseFile(said["organization"], license, issued, install_by, kid)


def check(file: LicenseFile, organization: str, license: License, last: datetime | None, now: datetime) -> None:
    """Go on only if a license file may take the place of the license in force.

    Args:
        file: the license file.
        organization: the id of the organization that shall get it.
        license: the license in force.
        last: when the last file that was installed had been issued, None before the first.
        now: the moment.

    Raises:
        InvalidLicense: it is for another organization, ended, or not later than the last one.
    """
    found = list(_in_the_way(file, organization, license, last, now))
    if found:
        raise InvalidLicense([sentence for _, sentence in found], found[0][0])


def _in_the_way(
    file: LicenseFile, organization: str, license: License, last: datetime | None, now: datetime
) -> Iterator[tuple[str, str]]:
    if file.organization != organization:
        yield "other_organization", f"it is for another organization, not for {organization!r}"
    if file.issued > now + AHEAD:
        yield "not_begun", f"it was issued on {file.issued.isoformat()}, which is still to come"
    if file.install_by is not None and file.install_by <= now:
        yield "expired", f"it could be installed until {file.install_by.isoformat()}"
    begins = file.license.valid_from
    if begins is not None and begins > now and license.standing(now) in ("valid", "grace"):
        yield "not_begun", f"its license begins on {begins.isoformat()}, and the one in force is valid till then"
    if file.license.ends is not None and file.license.ends <= now:
        yield "expired", f"its license ended on {file.license.ends.isoformat()}"
    if last is not None and (file.issued < last or (file.issued == last and file.license != license)):
        yield "older", f"it was issued on {file.issued.isoformat()}; the one installed last on {last.isoformat()}"


def _public_keys(keys: PublicKeys) -> dict[str, dict[str, str]]:
    known: dict[str, dict[str, str]] = {}
    for key in each_key(keys):
        parts = _parts(key)
        if "d" in parts:
            raise InvalidValue("keys", parts["kid"], "public keys only; a private one belongs to the vendor alone")
        if known.setdefault(parts["kid"], parts) != parts:
            raise InvalidValue("keys", parts["kid"], "another id for each key")
    return known


def each_key(keys: PublicKeys) -> Iterator[Mapping[str, object]]:
    """Iterate over the keys, in whatever form they were given.

    Raises:
        InvalidValue: something among them is no JWK, or names itself otherwise than the mapping does.
    """
    named: object = keys
    if _is_table(keys):
        if isinstance(keys.get("kty"), str):
            named = [keys]
        elif isinstance(keys.get("keys"), list):
            named = keys["keys"]
        else:
            named = [_called(kid, key) for kid, key in keys.items()]
    for key in named if isinstance(named, Iterable) else [named]:
        if not _is_table(key):
            raise InvalidValue("keys", type(key).__name__, "JSON Web Keys, as dictionaries")
        yield key


def _called(kid: str, key: object) -> object:
    if not _is_table(key):
        return key
    if key.get("kid", kid) != kid:
        raise InvalidValue("keys", kid, f"the id that its key names, {key['kid']!r}")
    return {**key, "kid": kid}


def _is_table(value: object) -> TypeGuard[Mapping[str, object]]:
    return isinstance(value, Mapping)


def _parts(key: Mapping[str, object]) -> dict[str, str]:
    """Return what counts of a JWK. No message shows more of it than its id."""
    kid = key.get("kid")
    if not isinstance(kid, str) or not kid:
        raise InvalidValue("key", kid, "a JSON Web Key with an id, its 'kid'")
    parts = {name: key[name] for name in ("kty", "crv", "x", "d") if name in key}
    fits = (key.get("kty"), key.get("crv")) == ("OKP", "Ed25519") and key.get("use", "sig") == "sig"
    texts = {name: text for name, text in parts.items() if isinstance(text, str)}
    if not fits or "x" not in texts or len(texts) < len(parts) or key.get("alg", "Ed25519") not in ("Ed25519", "EdDSA"):
        raise InvalidValue("key", kid, "the id of an Ed25519 key for signatures")
    _signing().check_key(texts)
    return {**texts, "kid": kid, "alg": "Ed25519", "use": "sig"}


def read_terms(said: object) -> License:
    """Return the license of which `seatperm.license.summary` wrote the terms; whether they hold together is not asked.

    Raises:
        TypeError, ValueError, KeyError, OverflowError: they are not as it writes them.
    """
    if not isinstance(said, dict):
        raise TypeError("the license is no table")
    _only(said, *summary(License("")))
    terms: dict[str, Any] = dict(said)
    for name in ("valid_from", "valid_until"):
        terms[name] = _moment(said.get(name))
    grace = said.get("grace", 0)
    if type(grace) is not int:
        raise TypeError(f"grace is {grace!r}")
    terms["grace"] = timedelta(seconds=grace)
    names = said.get("add_ons", [])
    if not isinstance(said["package"], str) or not isinstance(names, list):
        raise TypeError(f"package is {said['package']!r}, add_ons are {names!r}")
    if not all(isinstance(name, str) for name in names) or not isinstance(said.get("reserved", {}), dict):
        raise TypeError(f"add_ons are {names!r}, reserved is {said.get('reserved')!r}")
    return License(**terms)


def _only(said: Mapping[str, object], *known: str) -> None:
    unknown = sorted(set(said) - set(known))
    if unknown:
        raise ValueError(f"it says {', '.join(map(repr, unknown))}, which this version does not know")


def _utc(what: str, at: datetime | None) -> datetime | None:
    return None if at is None else aware(what, at)


def _moment(text: object) -> datetime | None:
    if text is None:
        return None
    if not isinstance(text, str):
        raise TypeError(f"{text!r} is no time")
    return aware("a time", datetime.fromisoformat(text))


def _signing() -> ModuleType:
    # Only who reads or issues license files needs the packages that the extra brings.
    try:
        from . import signing
    except ModuleNotFoundError as error:
        raise MissingExtra("license") from error
    return signing
