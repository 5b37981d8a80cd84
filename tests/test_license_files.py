"""Signed license files: what is read is what was issued, and nothing else is read."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import OctKey, OKPKey

from seatperm import InvalidLicense, InvalidValue, License
from seatperm.license_files import LicenseFile, generate_key, issue, public_key, read

ISSUED = datetime(2027, 3, 1, tzinfo=UTC)
LICENSE = License(
    "trade",
    add_ons=frozenset({"payroll"}),
    session_limit=7,
    user_limit=9,
    seat_per="user",
    reserved={"owner": 2},
    valid_from=datetime(2027, 1, 1, tzinfo=UTC),
    valid_until=datetime(2028, 1, 1, tzinfo=UTC),
    grace=timedelta(days=14),
)
KEY = generate_key("vendor-1")
PUBLIC = [public_key(KEY)]
FILE = issue(KEY, organization="kauri", license=LICENSE, issued=ISSUED)

ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def encoded(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def signed(payload: object, **header: object) -> str:
    """Return what the vendor's key signs, with another payload or another header than `issue` makes."""
    protected = {"alg": "Ed25519", "kid": "vendor-1", "typ": "seatperm-license", **header}
    body = encoded(protected) + "." + encoded(payload)
    private: Any = OKPKey.import_key({name: KEY[name] for name in ("kty", "crv", "x", "d")}).private_key
    return body + "." + encoded(private.sign(body.encode()))


def reason(text: str, keys: Any = PUBLIC) -> str:
    with pytest.raises(InvalidLicense) as refused:
        read(text, keys)
    assert refused.value.problems
    return refused.value.reason


def test_what_is_read_is_what_was_issued() -> None:
    """Every term, to the microsecond and in UTC."""
    there = timezone(timedelta(hours=13))
    text = issue(
        KEY,
        organization="kauri",
        license=LICENSE,
        issued=ISSUED.astimezone(there),
        install_by=ISSUED + timedelta(microseconds=1),
    )
    found = read(f"  {text}\n", PUBLIC)
    assert found == LicenseFile("kauri", LICENSE, ISSUED, ISSUED + timedelta(microseconds=1), "vendor-1")
    assert read(FILE, PUBLIC).install_by is None


def test_a_file_is_a_json_web_signature_that_other_libraries_read() -> None:
    """RFC 7515 with the algorithm of RFC 9864, in one line of ASCII."""
    assert FILE.isascii()
    assert FILE.split() == [FILE]
    found = jws.deserialize_compact(FILE, OKPKey.import_key({k: KEY[k] for k in ("kty", "crv", "x")}), ["Ed25519"])
    assert found.headers() == {"alg": "Ed25519", "kid": "vendor-1", "typ": "seatperm-license"}
    assert json.loads(found.payload)["license"]["session_limit"] == 7


@given(place=st.integers(0, len(FILE) - 1), byte=st.integers(0, 255))
def test_a_file_with_any_byte_altered_is_refused(place: int, byte: int) -> None:
    """Wherever it stands and whatever it becomes."""
    altered = bytearray(FILE.encode())
    if altered[place] != byte:
        altered[place] = byte
        assert reason(altered.decode("latin-1")) in ("altered", "malformed", "unknown_key", "algorithm")


@given(place=st.integers(0, len(FILE) - 1), bit=st.integers(0, 5))
def test_a_file_with_any_bit_altered_is_refused(place: int, bit: int) -> None:
    """The bits that the last letter has to spare, too."""
    altered = bytearray(FILE.encode())
    if altered[place] in ALPHABET:
        altered[place] = ALPHABET[ALPHABET.index(altered[place]) ^ (1 << bit)]
        reason(altered.decode())


@given(
    st.one_of(
        st.text(), st.binary().map(lambda raw: raw.decode("latin-1")), st.lists(st.text(), max_size=4).map(".".join)
    )
)
def test_no_other_text_is_a_license_file(text: str) -> None:
    assert reason(text) == "malformed"


@pytest.mark.parametrize("cut", [0, 1, 40, len(FILE) // 2, len(FILE) - 1])
def test_a_part_of_a_file_is_refused(cut: int) -> None:
    reason(FILE[:cut])
    reason(FILE[cut + 1 :])


def test_the_parts_of_two_files_make_no_third() -> None:
    """Terms of the one under the signature of the other."""
    better = issue(KEY, organization="kauri", license=License("trade", session_limit=900), issued=ISSUED)
    header, _, signature = FILE.split(".")
    assert reason(".".join([header, better.split(".")[1], signature])) == "altered"


def test_no_other_algorithm_is_believed() -> None:
    """Not the one that signs nothing, nor one that takes the public key for a secret, nor a name for the same."""
    header, payload, signature = FILE.split(".")
    for name in ("none", "HS256", "EdDSA", "ES256", None, 7, ["Ed25519"]):
        other = encoded({**decoded(header), "alg": name})
        assert reason(f"{other}.{payload}.{signature}") == "algorithm"
    assert reason(f"{encoded({**decoded(header), 'alg': 'none'})}.{payload}.") == "malformed"
    confused = encoded({**decoded(header), "alg": "HS256"})
    for secret in (KEY["x"].encode(), base64.urlsafe_b64decode(KEY["x"] + "="), json.dumps(PUBLIC[0]).encode()):
        mac = hmac.new(secret, f"{confused}.{payload}".encode(), hashlib.sha256).digest()
        assert reason(f"{confused}.{payload}.{encoded(mac)}") == "algorithm"


@pytest.mark.parametrize(
    "more",
    [
        {"jwk": {"kty": "OKP"}},
        {"jku": "https://vendor.example/keys"},
        {"crit": ["b64"], "b64": False},
        {"typ": "JWT"},
        {"typ": None},
    ],
)
def test_a_header_brings_no_key_and_no_rules_of_its_own(more: dict[str, object]) -> None:
    """Nothing counts but algorithm, key id and type, and the key has signed nothing else that passes for a license."""
    assert reason(signed(decoded(FILE.split(".")[1]), **more)) == "malformed"


def test_a_file_of_an_unknown_key_is_refused_by_name() -> None:
    """The message names the key that is missing and those that are there."""
    stranger = generate_key("stranger")
    text = issue(stranger, organization="kauri", license=LICENSE, issued=ISSUED)
    with pytest.raises(InvalidLicense, match=r'"stranger"; known keys: vendor-1') as refused:
        read(text, PUBLIC)
    assert refused.value.reason == "unknown_key"
    assert reason(text, []) == "unknown_key"
    assert reason(text, {"keys": []}) == "unknown_key"


def test_a_stranger_s_key_under_a_known_name_signs_nothing() -> None:
    stranger = generate_key("vendor-1")
    assert reason(issue(stranger, organization="kauri", license=LICENSE, issued=ISSUED)) == "altered"


@pytest.mark.parametrize(
    "given",
    [
        lambda one, two: [one, two],
        lambda one, two: (key for key in (two, one)),
        lambda one, two: {"keys": [one, two]},
        lambda one, two: {one["kid"]: one, two["kid"]: two},
        lambda one, two: {key["kid"]: {n: v for n, v in key.items() if n != "kid"} for key in (one, two)},
        lambda one, two: [one, two, one],
        lambda one, two: [{"kty": "OKP", "crv": "Ed25519", "x": key["x"], "kid": key["kid"]} for key in (one, two)],
    ],
)
def test_several_keys_are_known_at_one_time(given: Callable[..., Any]) -> None:
    """For rotation: by list, JWK set or mapping."""
    new = generate_key("vendor-2")
    for key in (KEY, new):
        text = issue(key, organization="kauri", license=LICENSE, issued=ISSUED)
        assert read(text, given(public_key(KEY), public_key(new))).kid == key["kid"]


def test_one_key_needs_no_list() -> None:
    assert read(FILE, PUBLIC[0]).kid == "vendor-1"


@pytest.mark.parametrize(
    "keys",
    [
        [KEY],
        [{"kty": "OKP", "crv": "Ed25519", "x": KEY["x"]}],
        [{**PUBLIC[0], "x": KEY["x"][:-2]}],
        [{**PUBLIC[0], "x": 7}],
        [{**PUBLIC[0], "crv": "X25519"}],
        [{**PUBLIC[0], "crv": "Ed448"}],
        [{**PUBLIC[0], "use": "enc"}],
        [{**PUBLIC[0], "alg": "HS256"}],
        [{"kty": "oct", "k": "c2VjcmV0", "kid": "vendor-1"}],
        [PUBLIC[0], {**public_key(generate_key("vendor-1"))}],
        {"vendor-2": PUBLIC[0]},
        {"vendor-1": "secret"},
        "vendor-1",
        [None],
        7,
    ],
)
def test_a_key_that_is_none_is_a_mistake(keys: Any) -> None:
    """Said before the file is looked at, and without showing the key; a private one has no place at a host."""
    with pytest.raises(InvalidValue) as wrong:
        read(FILE, keys)
    assert KEY["d"] not in str(wrong.value)


@pytest.mark.parametrize(
    "said",
    [
        {"organization": 7},
        {"organization": None},
        {"issued": None},
        {"issued": "2027-03-01"},
        {"issued": "2027-03-01T00:00:00"},
        {"issued": "9999-12-31T23:59:59-12:00"},
        {"issued": 1740000000},
        {"install_by": "soon"},
        {"plan": "gold"},
        {"license": None},
        {"license": []},
        {"license": {}},
        {"license": {"package": "trade", "sessions": 7}},
        {"license": {"package": ["trade"]}},
        {"license": {"package": "trade", "add_ons": "payroll"}},
        {"license": {"package": "trade", "add_ons": [["payroll"]]}},
        {"license": {"package": "trade", "reserved": [1]}},
        {"license": {"package": "trade", "grace": 1.5}},
        {"license": {"package": "trade", "grace": True}},
        {"license": {"package": "trade", "grace": 10**30}},
        {"license": {"package": "trade", "valid_until": "2028-01-01"}},
    ],
)
def test_a_signed_file_that_says_something_else_is_refused(said: dict[str, object]) -> None:
    """A term that this version does not know is not dropped silently."""
    assert reason(signed({**decoded(FILE.split(".")[1]), **said})) == "malformed"


@pytest.mark.parametrize("payload", [None, 7, [], {}, "license", b"\xff", b"[" * 90_000])
def test_a_signed_text_that_is_no_license_is_refused(payload: object) -> None:
    assert reason(signed(payload)) == "malformed"


@pytest.mark.parametrize(
    "terms",
    [
        {"session_limit": 0},
        {"session_limit": "7"},
        {"user_limit": 0},
        {"seat_per": "seat"},
        {"reserved": {"owner": 7}},
        {"reserved": {"owner": "1"}},
        {"grace": -1},
        {"valid_until": "2027-01-01T00:00:00+00:00"},
        {"valid_until": "9999-12-31T00:00:00+00:00"},
    ],
)
def test_signed_terms_that_do_not_hold_together_are_refused(terms: dict[str, object]) -> None:
    said = decoded(FILE.split(".")[1])
    assert reason(signed({**said, "license": {**said["license"], **terms}})) == "terms"


def test_what_a_file_leaves_out_is_as_in_a_new_license() -> None:
    """Files of an earlier version, which knew fewer terms, can still be read."""
    said = {"organization": "kauri", "issued": ISSUED.isoformat(), "license": {"package": "trade"}}
    assert read(signed(said), PUBLIC) == LicenseFile("kauri", License("trade"), ISSUED, None, "vendor-1")


def test_a_vendor_issues_no_file_that_nobody_could_install() -> None:
    """Terms, times and keys are checked before they leave the house."""
    with pytest.raises(InvalidLicense, match="session_limit"):
        issue(KEY, organization="kauri", license=License("trade", session_limit=0), issued=ISSUED)
    with pytest.raises(InvalidValue, match="issued"):
        issue(KEY, organization="kauri", license=LICENSE, issued=datetime(2027, 1, 1))
    with pytest.raises(InvalidValue, match="valid_until"):
        issue(KEY, organization="kauri", license=License("trade", valid_until=datetime(2027, 1, 1)), issued=ISSUED)
    with pytest.raises(InvalidValue, match="private"):
        issue(PUBLIC[0], organization="kauri", license=LICENSE, issued=ISSUED)
    with pytest.raises(InvalidLicense):
        issue({**KEY, "x": generate_key()["x"]}, organization="kauri", license=LICENSE, issued=ISSUED)
    with pytest.raises(InvalidLicense):
        issue(KEY, organization="kauri", license=LICENSE, issued=ISSUED, kid="k" * 600)


def test_a_key_is_named_by_its_thumbprint_unless_said() -> None:
    """And each is another one."""
    one, two = generate_key(), generate_key()
    assert one["kid"] != two["kid"]
    assert one["d"] != two["d"]
    canonical = json.dumps({"crv": "Ed25519", "kty": "OKP", "x": one["x"]}, separators=(",", ":"))
    assert one["kid"] == encoded(hashlib.sha256(canonical.encode()).digest())
    assert set(public_key(one)) == {"kty", "crv", "x", "kid", "alg", "use"}
    with pytest.raises(InvalidValue):
        generate_key("")


def test_a_key_of_another_kind_signs_no_license() -> None:
    secret = OctKey.generate_key(256)
    with pytest.raises(InvalidValue):
        issue({**secret.as_dict(), "kid": "a"}, organization="kauri", license=LICENSE, issued=ISSUED)


def test_without_the_extra_the_way_to_get_it_is_told() -> None:
    """And everything else goes on as before: the signature library is loaded by those who use it."""
    code = (
        "import sys; sys.modules['joserfc'] = None\n"
        "import seatperm\n"
        "from seatperm import license_files\n"
        "org = seatperm.open({'packages': {'one': {}}}, 'memory://')\n"
        "for call in (license_files.generate_key, lambda: org.install_license('x', [])):\n"
        "    try: call()\n"
        "    except seatperm.MissingExtra as error: print(error.extra, error)\n"
        "print(org.change_license(session_limit=2).after.session_limit)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *told, limit = done.stdout.splitlines()
    assert len(told) == 2
    assert all(line.startswith("license ") and "pip install 'seatperm[license]'" in line for line in told)
    assert limit == "2"
