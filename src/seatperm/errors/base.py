"""The base of every error, and the error of a value that is not of its kind."""

from __future__ import annotations

from typing import Any


class SeatpermError(Exception):
    """Base of every error that seatperm raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Subclasses take their evidence, not their message: the default would call them with the message.
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(cls: type[SeatpermError], args: tuple[Any, ...], state: dict[str, Any]) -> SeatpermError:
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(state)
    return error


class InvalidValue(SeatpermError, ValueError):
    """A value is not of the kind that is needed.

    Attributes:
        what: what the value is for, such as "until".
        value: the value that was given.
        expected: what was expected instead.
    """

    def __init__(self, what: str, value: object, expected: str) -> None:
        self.what = what
        self.value = value
        self.expected = expected
        super().__init__(f"{what} is {value!r}; expected {expected}")


class MissingExtra(SeatpermError):
    """Something was asked for that needs a package which is not installed.

    Attributes:
        extra: the extra of seatperm that brings it.
    """

    def __init__(self, extra: str) -> None:
        self.extra = extra
        super().__init__(f"this needs more packages; install them with: pip install 'seatperm[{extra}]'")
