"""A vendor issues license files, a host installs them; the key changes, and a file that was altered is refused.

Run it with `python examples/license_files.py`; it needs `pip install 'seatperm[license]'`.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import seatperm
from seatperm import License, license_files
from seatperm.demo import CATALOG


class Vendor:
    """Sells the application. Its private keys never leave its house."""

    def __init__(self) -> None:
        self.key = license_files.generate_key("vendor-2027")
        self.public = [license_files.public_key(self.key)]

    def change_key(self, kid: str) -> None:
        """Sign with a new key from now on; the application is shipped with both public keys for a while."""
        self.key = license_files.generate_key(kid)
        self.public.append(license_files.public_key(self.key))

    def sell(self, customer: str, package: str, sessions: int) -> str:
        now = datetime.now(UTC)
        sold = License(
            package,
            session_limit=sessions,
            valid_until=now + timedelta(days=365),
            grace=timedelta(days=14),
        )
        return license_files.issue(
            self.key,
            organization=customer,
            license=sold,
            issued=now,
            install_by=now + timedelta(days=30),
        )


def install(org: seatperm.Organization, text: str, keys: list[dict[str, str]]) -> None:
    """What the host's page for license files does."""
    try:
        change = org.install_license(text, keys)
    except seatperm.InvalidLicense as refused:
        print(f"refused, {refused.reason}; still {org.license.package} for {org.license.session_limit}")
    else:
        after = change.after
        print(f"{after.package} for {after.session_limit}, {change.charge_after} a month, ends {left(after)} days on")


def left(license: License) -> int:
    return 0 if license.ends is None else round((license.ends - datetime.now(UTC)) / timedelta(days=1))


def with_more_sessions(text: str) -> str:
    """What somebody might try: the same file, with another number in it."""
    header, payload, signature = text.split(".")
    said = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    said["license"]["session_limit"] = 500
    altered = base64.urlsafe_b64encode(json.dumps(said).encode()).rstrip(b"=").decode()
    return f"{header}.{altered}.{signature}"


def main() -> None:
    vendor = Vendor()
    # The customer's id binds a file to the customer, so the host makes the organization under it.
    tenants = seatperm.open_tenants(CATALOG, "memory://")
    org = tenants.create("kauri")
    shipped = list(vendor.public)

    print("# The first license")
    first = vendor.sell("kauri", "retail", 3)
    install(org, first, shipped)
    install(org, first, shipped)

    print("\n# Files that are refused")
    install(org, with_more_sessions(vendor.sell("kauri", "retail", 3)), shipped)
    install(org, vendor.sell("rimu", "retail", 50), shipped)
    install(org, "five more sessions, please", shipped)

    print("\n# A new key")
    vendor.change_key("vendor-2028")
    second = vendor.sell("kauri", "retail", 5)
    install(org, second, shipped)
    shipped = list(vendor.public)  # the next release of the application
    install(org, second, shipped)
    install(org, first, shipped)

    print("\n# What the trail says")
    for event in org.audit:
        print(event.number, event.kind, (event.details or {}).get("key", ""))
    tenants.close()


if __name__ == "__main__":
    main()
