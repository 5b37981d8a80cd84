"""Money: what a session of the limit costs a month."""

from __future__ import annotations

import re
from decimal import Decimal

from attrs import frozen

from .errors import InvalidValue

PRICE = r"([0-9]{1,15}(?:\.[0-9]{1,4})?) ([A-Z]{3})"


@frozen(order=False)
class Money:
    """An exact amount in one currency; `str()` is "285.00 NZD".

    Attributes:
        amount: a `Decimal`, as precise as it was written.
        currency: three capital letters.
    """

    amount: Decimal
    currency: str

    @classmethod
    def parse(cls, text: str) -> Money:
        """Read "40.00 NZD".

        Raises:
            InvalidValue: it is not an amount of zero or more and three capital letters.
        """
        match = re.fullmatch(PRICE, text) if isinstance(text, str) else None
        if match is None:
            raise InvalidValue("price", text, "an amount and a currency, such as '40.00 NZD'")
        return cls(Decimal(match[1]), match[2])

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"

    def __mul__(self, times: int) -> Money:
        return Money(self.amount * times, self.currency)

    def __add__(self, other: Money) -> Money:
        if other.currency != self.currency:
            raise InvalidValue("currency", other.currency, self.currency)
        return Money(self.amount + other.amount, self.currency)
