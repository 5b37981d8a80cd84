"""The command line."""

from __future__ import annotations

import click

from . import (
    asking,
    audit,
    check,
    demo,
    diff,
    init,
    license,
    license_files,
    organizations,
    permissions,
    roles,
    routes,
    sessions,
    shells,
    staff,
    user_files,
    users,
)
from .tree import Tree

__all__ = ["main"]


@click.group("seatperm", cls=Tree, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="seatperm")
def main() -> None:
    """Ask who may do what, and look after users, license, sessions and the audit trail.

    Works on the catalog and the store of an application that embeds seatperm. Exit codes: 0 for yes and for
    what went well, 1 for no, 2 for a wrong call or bad input.
    """


for command in (
    init.init,
    check.check,
    asking.can,
    asking.explain,
    asking.who_can,
    asking.access,
    users.users,
    staff.staff,
    roles.roles,
    roles.define_role,
    roles.remove_role,
    permissions.permissions,
    sessions.sessions,
    license.license,
    organizations.organizations,
    diff.diff,
    routes.routes,
    audit.audit,
    demo.demo,
    shells.completion,
):
    main.add_command(command)

for command in (license_files.keygen, license_files.issue, license_files.inspect, license_files.install):
    license.license.add_command(command)

users.users.add_command(user_files.import_)
