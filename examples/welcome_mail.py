"""Welcome mail: who is invited gets a link, follows it, and is in.

Run it with `python examples/welcome_mail.py` beside a mail server on port 1025 of this machine (or
`... welcome_mail.py HOST PORT`); a debugging one is enough.
"""

from __future__ import annotations

import smtplib
import sys
from collections.abc import Callable

import seatperm
from seatperm.demo import CATALOG

TEXT = """\
Kia ora {name},

you can now sign in to Kauri's books. Choose a password here, once, until {until}:

{link}
"""


def mailer(host: str, port: int) -> Callable[[seatperm.Invitation], None]:
    """Return what sends each invitation as soon as it is kept."""

    def send(invitation: seatperm.Invitation) -> None:
        message = invitation.message(
            sender="Kauri <no-reply@kauri.example>",
            link="https://books.kauri.example/welcome?token={token}",
            subject="Welcome to Kauri",
            text=TEXT,
        )
        with smtplib.SMTP(host, port, timeout=10) as server:
            server.send_message(message)

    return send


def shown(user: seatperm.User) -> str:
    """Return a user as a list of users shows one."""
    return f"{user.email} {'Not activated' if user.state == 'invited' else 'active'}"


def main(host: str = "localhost", port: str = "1025") -> None:
    org = seatperm.open(CATALOG, "memory://", on_invitation=mailer(host, int(port)))

    sam = org.users.invite(id="sam", email="Sam.Ngata@kauri.example", name="Sam Ngata", roles=["sales_staff"])
    print(shown(sam.user))

    # The link in the mail leads to a page of the application, which hands the token on.
    print(shown(org.users.accept(sam.token)))

    # A forgotten password, or a lost mail: a new link, and the old one is void.
    first, second = org.users.reinvite("sam"), org.users.reinvite("sam")
    try:
        org.users.accept(first.token)
    except seatperm.InvitationRefused as refused:
        print(refused)
    print(shown(org.users.accept(second.token)))
    org.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
