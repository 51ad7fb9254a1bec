"""`compare`: candidates side by side; `history`: a metric over the runs of an experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .options import output_options, place_options
from .output import Output
from .subjects import FORMS
from .text import Row
from .values import TARGET

IMAGES = {".svg": "image/svg+xml", ".png": "image/png"}
HISTORY = ("started", "run", "value", "", "state", "changed since the run before")
MOST_CHANGES = 10
"""Told one by one for each regression; -o json has all of them."""


@click.command(
    help="Show what differs between the evidence of BASE and of each OTHER, up to nine: each is "
    f"{FORMS}, or the digest sha256:… of a piece of evidence."
)
@click.argument("base", metavar="BASE")
@click.argument("others", metavar="OTHER...", nargs=-1, required=True)
@click.option("--higher", multiple=True, metavar="METRIC", help="Higher is better. Repeatable.")
@click.option("--lower", multiple=True, metavar="METRIC", help="Lower is better. Repeatable.")
@output_options
@place_options
def compare(
    base: str,
    others: tuple[str, ...],
    higher: tuple[str, ...],
    lower: tuple[str, ...],
    out: Output,
    url: str | None,
    tracking_uri: str | None,
) -> None:
    """Candidates side by side."""
    from .backend import backend

    named = (base, *others)
    found = backend(url, tracking_uri).compare(named, {"higher": higher, "lower": lower})
    header = ("", "", *(one["subject"] for one in (found["base"], *found["others"])))
    out.show(found, _matrix, header, items="items")


@click.command()
@click.argument("experiment")
@click.option("--metric", required=True)
@click.option(
    "--direction",
    type=click.Choice(["higher", "lower"]),
    default="higher",
    show_default=True,
    help="Which way is better.",
)
@click.option(
    "--against",
    type=click.Choice(["median", "best"]),
    default="median",
    show_default=True,
    help="What of the runs before a run is compared with.",
)
@click.option("--window", type=click.IntRange(1, 100), default=5, show_default=True)
@click.option("--tolerance", default="5%", show_default=True, help="0.02, or 5% of the baseline.")
@click.option("--limit", type=click.IntRange(1, 500), default=100, show_default=True)
@click.option("--save", type=TARGET, help="The plot: .svg or .png.")
@output_options
@place_options
def history(
    experiment: str,
    out: Output,
    save: Path | None,
    url: str | None,
    tracking_uri: str | None,
    **asked: Any,
) -> None:
    """Follow a metric over the captured runs of EXPERIMENT; regressions are marked."""
    from .backend import backend

    media_type = IMAGES.get(save.suffix.lower()) if save else None
    if save and media_type is None:
        raise click.UsageError("--save draws a file that ends with .svg or .png")
    place = backend(url, tracking_uri)
    found = place.history(experiment, asked)
    if save and media_type:
        save.write_bytes(place.plot(experiment, asked, media_type))
    out.show(found, _points, HISTORY, items="items")
    if found["truncated"]:
        limit = asked["limit"]
        click.echo(f"only the {limit} runs that were captured last; --limit takes more", err=True)


def _matrix(found: dict[str, Any]) -> list[Row]:
    from ..render.differences import gaps, matrix

    rows: list[Row] = []
    for line in matrix(found):
        cells = [f"{c.text}, {c.note}" if c.note else c.text for c in line.others]
        rows.append((line.section, line.name, line.base, *cells))
    for number, one in enumerate(found["others"], 1):
        before = [""] * number
        if one["commits"] and not one["commits"]["same"]:
            rows.append(("Code", "commits", *before, one["commits"]["range"]))
        elif one["same"]:
            rows.append(("", "nothing differs", *before, "the same record"))
    rows += [("not known", section, f"{whose}: {why}") for section, whose, why in gaps(found)]
    return rows


def _points(found: dict[str, Any]) -> list[Row]:
    from ..render.differences import WORDS, bars
    from ..render.series import to_draw

    items = found["items"]
    drawn = bars([to_draw(one["value"]) for one in items])
    rows: list[Row] = []
    for one, bar in zip(items, drawn, strict=True):
        _, mark, word = WORDS[one["state"]]
        run = one["name"] or one["run_id"] or one["subject"]
        shown = one["value"] or "not logged"
        state = f"{mark} {word}".strip()
        rows.append((_minute(one["started"]), run, shown, bar, state, _causes(one)))
    return rows


def _minute(started: str | None) -> str:
    """A start for people; -o json has all of it."""
    from ..record.facts import is_time

    return f"{started[:10]} {started[11:16]}" if started and is_time(started) else "unknown"


def _causes(one: dict[str, Any]) -> str:
    from ..render.differences import change, seldom

    unusual = [change(each) for each in one["changes"] if seldom(each)]
    told = unusual[:MOST_CHANGES]
    more = len(one["changes"]) - len(told)
    return "\n".join(told + ([f"and {more} more (-o json)"] if more else []))


__all__ = ["compare", "history"]
