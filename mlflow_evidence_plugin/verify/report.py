"""What was checked, and what was not proven."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ..errors import BadArchive, EvidenceError

T = TypeVar("T")

WITNESSED, UNWITNESSED = "witnessed", "unwitnessed"


@dataclass(frozen=True)
class Check:
    """One thing that was checked; `code` is set where it failed."""

    name: str
    passed: bool
    detail: str
    code: str | None = None


UNPROVEN = (
    "time: there is no trusted timestamp, so the key's validity at signing is unproven",
    "completeness: unwitnessed, so this does not prove that nothing else was issued",
)


@dataclass(frozen=True)
class Report:
    """Every check, and what was not proven.

    `completeness` is `witnessed` where the log's head is one that somebody else has kept. `subject`
    and `verdicts` (the newest of each environment) are those of which the checks held.
    """

    checks: tuple[Check, ...]
    unproven: tuple[str, ...] = UNPROVEN
    completeness: str = UNWITNESSED
    subject: str | None = None
    verdicts: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether something was checked and every check passed."""
        return bool(self.checks) and all(check.passed for check in self.checks)

    def document(self) -> dict[str, Any]:
        """The report as JSON."""
        return {
            "passed": self.passed,
            "completeness": self.completeness,
            "checks": [vars(check) for check in self.checks],
            "unproven": list(self.unproven),
        }


@dataclass
class Checklist:
    """Checks one after the other; the next is made also after one has failed."""

    done: list[Check] = field(default_factory=list)

    def take(self, name: str, check: Callable[[], T], say: Callable[[T], str]) -> T | None:
        """What the check found, and a line of the report; None where it failed."""
        try:
            found = check()
        except EvidenceError as error:
            self.done.append(Check(name, False, error.detail, error.code))
            return None
        except (MemoryError, RecursionError, UnicodeError) as error:  # whoever made it meant to
            said = f"it cannot be read: {type(error).__name__}"
            self.done.append(Check(name, False, said, BadArchive.code))
            return None
        self.done.append(Check(name, True, say(found)))
        return found
