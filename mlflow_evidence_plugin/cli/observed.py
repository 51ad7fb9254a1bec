"""What can be seen of the set-up from here: this environment, the service at hand, or its home."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from .checks import Place

if TYPE_CHECKING:
    from ..client import EvidenceClient
    from ..settings import Settings


class Unknown(Exception):
    """What cannot be seen from here, and why."""


@dataclass
class Observed:
    """Asked one by one; what nobody asks for is not looked at. None is what is not there."""

    place: Place
    env: Mapping[str, str]

    def plugin(self) -> str:
        """The plugin's version."""
        return version("mlflow-evidence-plugin")

    def mlflow(self) -> str | None:
        """MLflow's version."""
        for name in ("mlflow", "mlflow-skinny"):
            try:
                return version(name)
            except PackageNotFoundError:
                continue
        return None

    def enabled(self) -> bool:
        """Whether runs are stamped."""
        from ..context.liveness import switched_off

        return not switched_off(self.env)

    def tracking_uri(self) -> str | None:
        """The tracking store, without credentials."""
        return self._shown(self.place.tracking_uri)

    def registry_uri(self) -> str | None:
        """The registry, where it is named apart."""
        return self._shown(self.env.get("MLFLOW_REGISTRY_URI", "").strip() or None)

    def governance(self, name: str) -> str | None:
        """Where a governance value comes from here; None for one that is not set."""
        found = self._sources.get(name)
        if found is None:
            return None
        if found.startswith("EVIDENCE_"):
            return "variable"
        organisation = self.env.get("EVIDENCE_CONFIG", "").strip()
        return "organisation" if organisation and found == organisation else "file"

    def url(self) -> str | None:
        """The service's address."""
        return self.place.url.rstrip("/") if self.place.url else None

    def store_id(self) -> str:
        """The id of the store that the service of this machine serves."""
        return self._home.store_id

    def write_back(self) -> bool:
        """Whether the service of this machine may write into MLflow."""
        return self._home.write_back

    def policy(self) -> str | None:
        """The digest of the policy in force."""
        if self._client is not None:
            return self._client.policy()
        if self._home.policy_file is None:
            return None
        from ..policy import parse

        try:
            return parse(self._home.policy_file.read_bytes()).digest
        except OSError as error:
            raise Unknown(f"the policy file cannot be read: {error.strerror}") from error

    def signing_key(self) -> str | None:
        """The id of the key that is signed with now."""
        if self._client is not None:
            current = [one["id"] for one in self._client.trust()["keys"] if not one["not_after"]]
            return ", ".join(current) or None
        if self._home.signing_uri is not None:
            raise Unknown("the key is in a vault: ask the service, with --url")
        from ..signing import SigningKey

        return SigningKey.load(self._home.signing_key).id

    def schema(self) -> str:
        """The revision of the database's schema."""
        from ..storage import Database

        database = Database(self._home.database_url)
        try:
            return database.check()
        finally:
            database.dispose()

    @cached_property
    def _sources(self) -> dict[str, str]:
        from ..context.host import observe
        from ..context.origins import origins

        return {one.name: one.source for one in origins(observe())[0] if one.value}

    @cached_property
    def _client(self) -> EvidenceClient | None:
        if not self.place.url:
            return None
        from ..client import EvidenceClient
        from .backend import token_of

        return EvidenceClient(self.place.url, token_of("EVIDENCE_TOKEN"))

    @cached_property
    def _home(self) -> Settings:
        from ..settings import PREFIX, Settings

        settings = Settings.read(self.env)
        if not any(one.startswith(PREFIX) for one in self.env) and not settings.home.exists():
            raise Unknown("no service is configured on this machine")
        return settings

    def _shown(self, uri: str | None) -> str | None:
        from ..settings import Settings

        return Settings.read({"MLFLOW_TRACKING_URI": uri}).store_id if uri else None
