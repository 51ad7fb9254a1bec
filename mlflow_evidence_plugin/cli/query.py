"""`--query`: a JMESPath expression, as in `az`."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import click

from ..errors import BadInput
from .text import printable


@dataclass(frozen=True)
class Query:
    """A compiled expression."""

    expression: str
    compiled: Any

    def of(self, document: Any) -> Any:
        """What the expression selects; what it names itself comes as an OrderedDict."""
        from jmespath import Options

        try:
            return self.compiled.search(document, Options(dict_cls=OrderedDict))
        except (ValueError, TypeError, ArithmeticError, AttributeError, RecursionError) as error:
            # jmespath's own errors are ValueErrors; its functions let Python's others through.
            told = printable(f"{error} in --query {self.expression}")
            raise BadInput(told, "see https://jmespath.org for what a function takes") from error


class QueryType(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4 only
    """A JMESPath expression; a usage error that points at the mistake otherwise."""

    name = "jmespath"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Query:
        """The compiled expression."""
        if isinstance(value, Query):
            return value
        import jmespath
        from jmespath.exceptions import JMESPathError

        try:
            return Query(value, jmespath.compile(value))
        except (JMESPathError, RecursionError) as error:
            self.fail(_pointed(value, error), param, ctx)


def _pointed(expression: str, error: Exception) -> str:
    at = getattr(error, "lex_position", None)
    if at is None:
        return "the expression is empty" if not expression else "the expression nests too deep"
    if at >= len(expression):
        why = "the expression ends too early"
    else:
        why = str(getattr(error, "message", "") or getattr(error, "msg", ""))
    before = printable(expression[:at])
    return f"{printable(why)} (column {at + 1})\n  {printable(expression)}\n  {' ' * len(before)}^"


QUERY = QueryType()
