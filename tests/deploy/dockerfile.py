"""Reads a Dockerfile and its .dockerignore, as far as this project's go."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
KNOWN = [
    "ARG",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "RUN",
    "USER",
    "VOLUME",
    "WORKDIR",
]


@dataclass(frozen=True)
class Instruction:
    """One instruction: its name, and the rest of its lines in one."""

    name: str
    text: str

    def pairs(self) -> dict[str, str]:
        """`key=value key="other value"`, of ENV and LABEL."""
        found = re.findall(r'([\w.]+)=("[^"]*"|\S+)', self.text)
        return {key: value.strip('"') for key, value in found}

    def command(self) -> list[str]:
        """The JSON form of ENTRYPOINT, and of HEALTHCHECK's CMD."""
        parsed: list[str] = json.loads(self.text[self.text.index("[") :])
        return parsed


@dataclass
class Stage:
    """One FROM, and what follows it."""

    name: str
    base: str
    steps: list[Instruction] = field(default_factory=list)

    def last(self, name: str) -> Instruction:
        """The instruction that counts, where several could stand."""
        return [step for step in self.steps if step.name == name][-1]


def instructions(text: str) -> Iterator[Instruction]:
    """Comments gone, continued lines joined. An unknown instruction is an error, not skipped."""
    lines = (line for line in text.splitlines() if line.strip() and not line.startswith("#"))
    for line in re.sub(r"\s*\\\n\s*", " ", "\n".join(lines)).splitlines():
        name, _, rest = line.partition(" ")
        if name not in KNOWN:
            raise ValueError(f"this reader does not know {name}")
        yield Instruction(name, rest.strip())


def stages(text: str) -> list[Stage]:
    """The stages in order. Arguments before the first FROM are filled in."""
    found: list[Stage] = []
    arguments: dict[str, str] = {}
    for step in instructions(text):
        if step.name == "FROM":
            base, _, name = expand(step.text, arguments).partition(" AS ")
            found.append(Stage(name, base))
        elif found:
            found[-1].steps.append(step)
        else:
            arguments |= step.pairs()
    return found


def expand(text: str, variables: Mapping[str, str]) -> str:
    """`$NAME` and `${NAME}`; what is not known becomes empty, as in a build."""
    return re.sub(r"\$\{?(\w+)\}?", lambda m: variables.get(m[1], ""), text)


@dataclass(frozen=True)
class Context:
    """The files that a build gets to see."""

    root: Path
    patterns: tuple[tuple[re.Pattern[str], bool], ...]

    @classmethod
    def of(cls, root: Path) -> Context:
        """The checkout through its .dockerignore."""
        lines = (root / ".dockerignore").read_text().splitlines()
        told = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        pairs = [(_pattern(line.removeprefix("!")), line.startswith("!")) for line in told]
        return cls(root, tuple(pairs))

    def sends(self, path: str) -> bool:
        """Whether a file is sent: the last pattern that matches it, or a folder above, decides."""
        above = ["/".join(path.split("/")[:n]) for n in range(1, path.count("/") + 2)]
        sent = True
        for pattern, kept in self.patterns:
            if any(pattern.fullmatch(one) for one in above):
                sent = kept
        return sent

    def files(self, under: str) -> list[str]:
        """Every file that is sent of a file or folder."""
        start = self.root / under
        found = [start] if start.is_file() else [p for p in start.rglob("*") if p.is_file()]
        names = (str(path.relative_to(self.root)) for path in sorted(found))
        return [name for name in names if self.sends(name)]


def _pattern(line: str) -> re.Pattern[str]:
    parts = {"**/": "(.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    pieces = re.split(r"(\*\*/|\*\*|\*|\?)", line.strip("/"))
    return re.compile("".join(parts.get(piece, re.escape(piece)) for piece in pieces))
