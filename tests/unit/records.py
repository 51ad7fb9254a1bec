"""Any record that a capture could make, for hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from mlflow_evidence_plugin.record import Record, record_of
from mlflow_evidence_plugin.snapshot import Artifact, Dataset, Gap, Metric
from tests.unit import samples

NAME = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)
SHA = st.binary(min_size=32, max_size=32).map(bytes.hex)
FILES = st.dictionaries(NAME, SHA, max_size=5).map(
    lambda found: tuple(Artifact(path, 1, sha256) for path, sha256 in found.items())
)
DIGESTS = st.one_of(NAME, SHA, SHA.map("sha256:{}".format))
GAPS = st.builds(
    Gap,
    st.sampled_from(("model_files/x", "outputs/y", "outputs", "lineage", "model_files")),
    st.sampled_from(("unreadable", "not-scanned")),
    st.just("a reason"),
)
CODE = st.fixed_dictionaries(
    {},
    optional={
        "evidence.git.commit": st.one_of(NAME, SHA, SHA.map(lambda one: one[:40])),
        "evidence.git.remote": st.sampled_from(("https://example.org/r", "git@example.org:r", "?")),
        "evidence.env.digest": DIGESTS,
    },
)


@st.composite
def records(draw) -> Record:
    """Of a run, of a version, and of a version whose run is gone."""
    run = samples.run(
        draw(st.dictionaries(NAME, st.floats(), max_size=4)),
        parameters=draw(st.dictionaries(NAME, NAME, max_size=4)),
        tags=draw(CODE) | draw(st.dictionaries(NAME.map("evidence.{}".format), NAME, max_size=3)),
        artifacts=draw(FILES),
        inputs=tuple(
            draw(st.lists(st.builds(Dataset, NAME, DIGESTS, NAME, NAME, NAME), max_size=3))
        ),
        start_time=draw(st.one_of(st.none(), st.integers(-(2**52), 2**52))),
        gaps=tuple(draw(st.lists(GAPS, max_size=2))),
    )
    if draw(st.booleans()):
        return record_of(run, draw(NAME))
    source = draw(st.sampled_from((run, None)))
    made = samples.version(draw(NAME), name=draw(NAME), files=draw(FILES))
    return record_of(samples.replace(made, run=source), draw(NAME))


def large(parameters: int = 500, metrics: int = 500, length: int = 20) -> Record:
    """A record of so many parameters and metrics, with values and names of this length."""
    run = samples.run(
        {},
        parameters={f"p{n}": "v" * length for n in range(parameters)},
    )
    measured = tuple(
        Metric(f"m{n}".ljust(min(length, 250), "x"), n / 7, 0, 1_700_000_000_000)
        for n in range(metrics)
    )
    version = samples.version(source=samples.replace(run, metrics=measured))
    return record_of(version, samples.STORE)
