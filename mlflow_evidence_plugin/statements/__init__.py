"""Record to in-toto statements: pure, other people's formats."""

from .release import PAYLOAD_TYPE, RELEASE_EVIDENCE, Release, release_statement

__all__ = ["PAYLOAD_TYPE", "RELEASE_EVIDENCE", "Release", "release_statement"]
