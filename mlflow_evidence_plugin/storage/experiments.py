"""The runs of an experiment: each once, by its newest record."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, select

from .search import View
from .tables import listings, observations


def newest_of_runs(
    connection: Connection, store: str, view: View, experiment: str, limit: int
) -> tuple[list[str], bool]:
    """The newest record of each run, of those captured last; are there more.

    A run may have evidence of its own and of the versions made from it: the newest of all.
    """
    found: dict[str, str] = {}
    asked = {"store": store, "experiment": experiment}
    with connection.execute(_NEWEST, asked, execution_options={"yield_per": 500}) as rows:
        for row in rows:
            if row.run_id in found or not view.shows(row.model, row.experiment):
                continue
            if len(found) == limit:
                return list(found.values()), True
            found[row.run_id] = row.seen_last or row.record_digest
    return list(found.values()), False


# A record may be seen again after another: then it is the newest, and stands further back.
_NEWEST = (
    select(
        listings,
        select(observations.c.record_digest)
        .where(
            observations.c.store == listings.c.store,
            observations.c.subject == listings.c.subject,
            observations.c.run_id == listings.c.run_id,
        )
        .order_by(observations.c.seq.desc())
        .limit(1)
        .scalar_subquery()
        .label("seen_last"),
    )
    .where(
        listings.c.store == bindparam("store"),
        listings.c.experiment == bindparam("experiment"),
        listings.c.run_id.is_not(None),
    )
    .order_by(listings.c.id.desc())
)
