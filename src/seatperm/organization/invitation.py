"""Invitations: what the host sends to somebody who is asked to join, or to choose a new way in."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8

from attrs import field, frozen

from ..directory import PendingInvitation, User
from ..errors import InvalidValue
from ..sessions import new_token, token_hash

LIFE = timedelta(days=7)
"""How long an invitation's token can be used."""

SUBJECT = "Your invitation"

TEXT = """\
Hello {name},

follow this link to sign in:

{link}

It can be used once, until {until}.
"""


@frozen
class Invitation:
    """What the host sends to somebody who is asked to join.

    Attributes:
        user: the user, not active yet.
        token: what `accept` takes, once; 256 random bits, kept nowhere else.
        until: when the token ends.
        organization: the id of the organization that asks.
    """

    user: User
    token: str = field(repr=False)
    until: datetime
    organization: str

    def message(self, *, sender: str, link: str, subject: str | None = None, text: str | None = None) -> EmailMessage:
        """Return the e-mail to send, for `smtplib.SMTP.send_message`: to the address as it is kept.

        Args:
            sender: who it is from: an address, or a name and an address, `"Kauri <no-reply@kauri.example>"`.
            link: where the host takes the token: a URL with `{token}` in it.
            subject: what it is about.
            text: what it says: `{link}` in it stands for the link, `{name}` for the user's name, `{until}` for
                the end in UTC. A short English text unless said.

        Raises:
            InvalidValue: `{token}` is missing from the link, or `{link}` from the text; or the sender or the
                subject fits no mail.
        """
        for what, given in (("sender", sender), ("link", link), ("subject", subject or ""), ("text", text or "")):
            if not isinstance(given, str):
                raise InvalidValue(what, given, "a string")
        if "{token}" not in link:
            raise InvalidValue("link", link, "a URL with {token} in it")
        text = TEXT if text is None else text
        if "{link}" not in text:
            raise InvalidValue("text", text, "a text with {link} in it")
        address = self.user.email
        # An address in other letters than ASCII can only be written as it is.
        message = EmailMessage(SMTP if address.isascii() else SMTPUTF8)
        local, _, domain = address.rpartition("@")
        message["To"] = Address(self.user.name, local, domain)
        try:
            message["Subject"] = SUBJECT if subject is None else subject
        except ValueError as error:
            raise InvalidValue("subject", subject, "one line of text") from error
        try:
            message["From"] = sender
        except ValueError as error:
            raise InvalidValue("sender", sender, "an address, or a name and an address") from error
        if not message["From"].addresses:
            raise InvalidValue("sender", sender, "an address, or a name and an address")
        values = {
            "link": link.replace("{token}", self.token),
            "name": self.user.name,
            "until": self.until.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        }
        # In one pass: what stands in a name or a link is never read again.
        message.set_content(re.sub(r"\{(link|name|until)\}", lambda found: values[found[1]], text))
        return message


OnInvitation = Callable[[Invitation], None]
"""What the host does with an invitation once it is kept, such as sending it."""


def new_invitation(now: datetime) -> tuple[str, PendingInvitation]:
    """Return a new token, and what the store keeps of it."""
    token = new_token()
    return token, PendingInvitation(token_hash(token), now + LIFE)
