"""The example of license files prints what its vendor and its host agree on."""

from __future__ import annotations

from .test_examples import printed


def test_the_license_files_example_tells_what_is_installed_and_what_is_refused() -> None:
    """Three seats, then five under a new key; 365 days and 14 of grace."""
    lines = printed("license_files")
    first = "retail for 3, 285.00 NZD a month, ends 379 days on"
    assert lines["The first license"] == [first, first]
    assert lines["Files that are refused"] == [
        "refused, altered; still retail for 3",
        "refused, other_organization; still retail for 3",
        "refused, malformed; still retail for 3",
    ]
    assert lines["A new key"] == [
        "refused, unknown_key; still retail for 3",
        "retail for 5, 475.00 NZD a month, ends 379 days on",
        "refused, older; still retail for 5",
    ]
    assert [line.rstrip() for line in lines["What the trail says"]] == [
        "1 organization.created",
        "2 license.installed vendor-2027",
        "3 license.installed vendor-2028",
    ]
