"""What each tag means and where it comes from: the table in docs/context.md."""

from __future__ import annotations

from .. import tags

_DECLARED = "`{name}` in evidence.toml, `EVIDENCE_{upper}`"

_GOVERNANCE = {
    "owner": "Who answers for the run",
    "support": "Whom to call when the model fails, and the escalation after that",
    "team": "The team that the owner belongs to",
    "environment": "What the run is for: development, test, production",
    "ticket": "The change ticket that asked for it",
    "cost_center": "Who pays for it",
    "data_classification": "How confidential the training data are",
    "rollback": "The step, or the version, that undoes a release",
    "monitoring": "The signal or dashboard that shows whether the model is healthy",
    "runbook": "Where the validation commands and the healthy signals are written down",
    "change_window": "When the change may go live",
}


def _declared(name: str) -> str:
    return _DECLARED.format(name=name, upper=name.upper())


MEANINGS: dict[str, tuple[str, str]] = {
    tags.SCHEMA: ("the plugin", "Version of these names, now `1`"),
    tags.STAMPED_BY: (
        "the plugin",
        "`create`, `resume`, `backfill` or `server`: when, and from whom, the run got its tags",
    ),
    **{tags.PREFIX + name: (_declared(name), said) for name, said in _GOVERNANCE.items()},
    tags.GIT_COMMIT: ("git, else CI", "Commit of the script's repository"),
    tags.GIT_BRANCH: ("git, else CI", "Branch; absent when detached"),
    tags.GIT_DIRTY: ("git", "Whether tracked files differed from the commit: `true` or `false`"),
    tags.GIT_REMOTE: ("git", "Address of `origin`, without credentials"),
    tags.CI_URL: ("CI", "Page of the CI run, without credentials"),
    tags.CI_RUN: ("CI", "Id of the CI run"),
    tags.AZUREML_WORKSPACE: (
        "Azure ML's variables, else the tracking URI's",
        "The workspace: subscription, resource group and name",
    ),
    tags.AZUREML_JOB: ("Azure ML's variables", "The job's page in the studio"),
    tags.IMAGE: ("`EVIDENCE_IMAGE`, else GitLab's runner", "Container image, as it was told to us"),
    tags.ENV_DIGEST: (
        "the installed distributions",
        "SHA-256 of their names and versions, a line `name==version` each",
    ),
    tags.HOST: ("the operating system", "Name of the machine, container or pod"),
}
"""Source and meaning by tag, for every tag that a source can give."""


def table() -> str:
    """The tags as a Markdown table, most important first."""
    rows = [f"| `{name}` | {source} | {said} |" for name, (source, said) in MEANINGS.items()]
    return "\n".join(["| tag | source | meaning |", "|---|---|---|", *rows]) + "\n"
