"""CEL over a record: bounded before it runs.

The library cannot be interrupted once it runs. So what it is given is bounded: the expression's
length, depth, names and functions when a policy is read, and with the record's size how much work
it can be at the most. What is over a bound is not run, and so has not passed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from ..errors import BadPolicy
from ..record import Record
from .patterns import TEXT, check_pattern, library
from .seen import ITEMS, KEYS, LISTS, PARTS, Size, seen

LENGTH, TOKENS, DEPTH = 2_000, 300, 20
"""Characters, words and signs, and brackets within brackets of an expression."""

LOOPS, MATCHES = 2, 4
"""`all` and the like within one another; and `matches` in all, none of them within those."""

WORK = 100_000_000
"""Steps of an expression over a record, counted as if each word met every value: half a second."""

MACROS = ("all", "exists", "exists_one")
FUNCTIONS: tuple[str, ...] = ("has", "size", "contains", "startsWith", "endsWith", "matches")
FUNCTIONS += ("int", "uint", "double", "string", "bytes", "type", "timestamp", "duration", *MACROS)
"""All that may be called. `map` and `filter` copy a whole list for each of its elements."""

UNTOLD = "not told: a fact that it asks for is missing, or of another type"
"""In our own words: verdicts are derived again, with later versions of the library too."""

WORDS = ("true", "false", "null", "in")
_TOKEN = re.compile(
    r"""\s+|(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<number>\d[\w.]*)|(?P<word>[A-Za-z_]\w*)|(?P<sign>[-+*/%<>=!&|?:.,()\[\]{}])""",
    re.VERBOSE | re.ASCII,
)


@dataclass(frozen=True)
class Expression:
    """A compiled expression; the parts of the record that it names, and what bounds its work.

    `named` are the facts that it asks for one by one: part and name.
    """

    program: Any = field(repr=False)
    parts: frozenset[str]
    tokens: int
    loops: int
    spread: int
    patterns: int
    named: tuple[tuple[str, str], ...]

    def work(self, sizes: Mapping[str, Size]) -> int:
        """The steps it can take at the most, over parts of these sizes."""
        longest = max((sizes[one].items for one in self.parts), default=0)
        weight = sum(sizes[one].weight for one in self.parts)
        most = max(longest, self.tokens) * self.spread  # `a + a` and `[a, a]` are longer than `a`
        return self.tokens * max(weight, 1) * int(most**self.loops)


def holds(text: str, record: Record) -> tuple[bool, str]:
    """Whether an expression is true of a record, and what was found."""
    expression = compiled(text)
    try:
        document = seen(record)
    except (ValueError, OverflowError):
        return False, UNTOLD
    sizes = {one: document.sizes[one] for one in sorted(expression.parts)}
    if large := [name for name, one in sizes.items() if one.items > ITEMS]:
        return False, f"not told: {', '.join(large)}: more than {ITEMS} entries"
    if expression.patterns and any(one.text > TEXT for one in sizes.values()):
        return False, f"not told: a text of more than {TEXT} characters beside `matches`"
    if expression.work(sizes) > WORK:
        return False, "not told: too much work over this record"
    try:
        found = expression.program.execute(document.context)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # a panic of the library is no Exception
        return False, UNTOLD
    return found is True, "true" if found is True else "false"


@lru_cache(maxsize=256)
def compiled(text: str) -> Expression:
    """An expression, ready to run; BadPolicy for one that is none, or over a bound."""
    if len(text) > LENGTH:
        raise BadPolicy(f"the expression has {len(text)} characters; {LENGTH} are allowed")
    found = list(_tokens(text))
    tokens = [(kind, one) for kind, one, _ in found]
    if len(tokens) > TOKENS:
        raise BadPolicy(f"the expression has {len(tokens)} words and signs; {TOKENS} are allowed")
    depth, loops = _depths(tokens)
    if depth > DEPTH or loops > LOOPS:
        raise BadPolicy(f"the expression is nested deeper than {LOOPS} loops, or {DEPTH} brackets")
    parts = _parts(tokens)
    ordered = _ordered(text, found)
    try:
        library().compile(text)
        # So that what is no truth value is an error; alone first: `a) || (b` would open it.
        program = library().compile(f"({ordered}) ? true : false")
    except ValueError as error:
        said = " ".join(str(error).split("ERROR: <input>:", 1)[-1].split())[:200]
        raise BadPolicy(f"the expression does not compile: {said}") from None
    words = [one for _, one in tokens]
    spread = 1 + words.count("+") + words.count(",") - sum(words.count(one) for one in MACROS)
    bounds = (len(tokens), loops, max(spread, 1), _patterns(tokens))
    return Expression(program, parts, *bounds, tuple(dict.fromkeys(_named(tokens))))


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    """Kind, text and place of each word and sign; BadPolicy for comments and odd texts."""
    place, before = 0, ("", "")
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise BadPolicy(f"the expression has {text[place]!r} at {place + 1}, which is not read")
        if found.lastgroup:
            one = (found.lastgroup, found.group())
            adjacent = text[place - 1 : place] not in ("", " ", "\n", "\t", "\r")
            odd = one[0] == "text" and adjacent and before[0] in ("text", "word")
            if odd or (before[1], one[1]) == ("/", "/"):
                raise BadPolicy("an expression has plain texts, and neither comments nor raw texts")
            yield *one, found.start()
            before = one
        place = found.end()


def _ordered(text: str, tokens: list[tuple[str, str, int]]) -> str:
    """The same, where a loop over a part that goes by name goes over its names in their order.

    The library's maps have another order each time, and a loop ends at the first element that it
    cannot tell: the same question would have two answers. BadPolicy for a loop over other maps.
    """
    words, made, end = [one for _, one, _ in tokens], "", 0
    for place, one in enumerate(words):
        if one not in MACROS or words[place + 1 : place + 2] != ["("]:
            continue
        over, before = words[max(place - 2, 0)], "" if place < 3 else words[place - 3]
        if over in PARTS and words[place - 1] == "." != before:
            at = tokens[place - 2][2]
            made, end = made + text[end:at] + ("" if over in LISTS else KEYS), at
        elif not _written_out(tokens, place - 2):
            said = "a loop goes over a part of the record, or a list that is written out"
            raise BadPolicy(f"{said}, and not over {over}")
        variable = "".join(words[place + 2 : place + 3])
        if variable in PARTS or variable.startswith(KEYS):
            raise BadPolicy(f"the loop's own name is {variable}, which is taken")
    return made + text[end:]


def _written_out(tokens: list[tuple[str, str, int]], last: int) -> bool:
    """Whether a list such as `["a", "b"]` ends here, and not an index of something."""
    depth = 0
    for place in range(last, -1, -1):
        one = tokens[place][1]
        depth += (one == "]") - (one == "[")
        if not depth:
            kind, before, _ = tokens[place - 1] if place else ("sign", "(", 0)
            known = before == "in" or (kind == "sign" and before not in ")]}")
            return last > place and known
    return False


def _named(tokens: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """`params["depth"]` and `params.depth`, each as part and name."""
    padded = [("", ""), *tokens, *[("", "")] * 3]
    for place, (kind, part) in enumerate(padded[:-3]):
        if kind != "word" or part not in PARTS or part in LISTS or padded[place - 1][1] == ".":
            continue
        (_, sign), (of, name), (_, after) = padded[place + 1 : place + 4]
        if (sign, of, after) == ("[", "text", "]"):
            yield part, library().evaluate(name)
        elif sign == "." and of == "word" and after != "(":
            yield part, name


def _patterns(tokens: list[tuple[str, str]]) -> int:
    """How large the regular expressions are; BadPolicy for one that is not written out."""
    size = 0
    for place, (kind, one) in enumerate(tokens):
        if (kind, one) != ("word", "matches"):
            continue
        after = [*tokens[place + 1 : place + 4], *[("", "")] * 3]
        shape = tokens[max(place - 1, 0)][1], after[0][1], after[1][0], after[2][1]
        if shape != (".", "(", "text", ")"):
            raise BadPolicy('`matches` takes a pattern that is written out: one.matches("a+")')
        size += check_pattern(library().evaluate(after[1][1]))
    return size


def _depths(tokens: list[tuple[str, str]]) -> tuple[int, int]:
    """How deep brackets and loops stand within one another. BadPolicy for costly calls."""
    opened: list[bool] = []
    depth, loops, patterns = 0, 0, 0
    for place, (kind, one) in enumerate(tokens):
        if kind == "word" and one == "matches":
            patterns += 1
            if patterns > MATCHES or any(opened):
                said = f"`matches` may stand {MATCHES} times in an expression, outside of loops"
                raise BadPolicy(said)
        if kind == "sign" and one in "([{":
            opened.append(place > 0 and tokens[place - 1][1] in MACROS)
        elif kind == "sign" and one in ")]}" and opened:
            opened.pop()
        depth, loops = max(depth, len(opened)), max(loops, sum(opened))
    return depth, loops


def _parts(tokens: list[tuple[str, str]]) -> frozenset[str]:
    """The parts of the record that are named; BadPolicy for other names, and unknown functions."""
    padded = [("", ""), ("", ""), *tokens, ("", "")]
    bound = {
        one
        for place, (kind, one) in enumerate(padded)
        if kind == "word" and padded[place - 1][1] == "(" and padded[place - 2][1] in MACROS
    }
    found = set()
    for place, (kind, one) in enumerate(padded):
        if kind != "word":
            continue
        called, member = padded[place + 1][1] == "(", padded[place - 1][1] == "."
        if called and one not in FUNCTIONS:
            raise BadPolicy(f"the expression calls {one}; there are: {', '.join(FUNCTIONS)}")
        if called or member or one in WORDS:
            continue
        if one in PARTS:
            found.add(one)
        elif one not in bound and one not in FUNCTIONS:
            raise BadPolicy(f"the expression names {one}; there are: {', '.join(PARTS)}")
    return frozenset(found)
