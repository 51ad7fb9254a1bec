"""Figures as decimals: exact where they are written so, rounded at 34 digits where they are not."""

from __future__ import annotations

from decimal import Context, Decimal, DecimalException

_EXACT = Context(prec=34)
_SHORT = Context(prec=6)


def finite(value: object) -> Decimal | None:
    """A figure of a record; None for what is no finite number."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    try:
        found = Decimal(value)
    except DecimalException:
        return None
    return found if found.is_finite() else None


def delta(before: Decimal | None, after: Decimal | None) -> tuple[Decimal | None, Decimal | None]:
    """After less before, and the same as a share of before; None where that means nothing."""
    if before is None or after is None:
        return None, None
    difference = _EXACT.subtract(after, before)
    return difference, _SHORT.divide(difference, abs(before)) if before else None


def shown(value: Decimal | None) -> str | None:
    """Decimal text, without zeros at its end."""
    if value is None:
        return None
    if not value:
        return "0"
    value = value.normalize(_EXACT)
    return f"{value:f}" if -7 <= value.adjusted() < 21 else str(value)


def median(values: list[Decimal]) -> Decimal:
    """The middle one, or half of the two in the middle; of at least one value."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return _EXACT.divide(_EXACT.add(ordered[middle - 1], ordered[middle]), Decimal(2))


__all__ = ["delta", "finite", "median", "shown"]
