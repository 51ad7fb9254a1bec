"""Answers that are given later: in memory only, so many at a time, each question once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable
from pathlib import Path

from mlflow_evidence_plugin.errors import Busy, EvidenceError

log = logging.getLogger(__name__)

LIMIT = 64


class InFlight:
    """What this process owes. It is lost with the process: then the consumer asks again."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self._keys: dict[Hashable, str] = {}
        self._repeated: set[Hashable] = set()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._keys)

    def begin(
        self, key: Hashable, work: Callable[[], None], of: str = "", anew: bool = False
    ) -> None:
        """Do the work beside the request, unless the same is being done; Busy.

        That it was wanted again the work may see from `repeated`; with `anew` it is done again.
        The limit is that of each consumer, whose name is `of`: one leaves room for the others.
        """
        with self._lock:
            if key in self._keys:
                self._repeated.add(key)
                return
            if sum(one == of for one in self._keys.values()) >= self.limit:
                raise Busy("too many verdicts are awaited already", "ask again in a minute")
            self._keys[key] = of
        try:
            # Nobody waits for it when the process ends: it may be sleeping for half an hour.
            threading.Thread(target=self._run, args=(key, work, anew), daemon=True).start()
        except RuntimeError:
            self._ended(key, anew=False)
            raise Busy("no thread can be started", "ask again in a minute") from None

    def repeated(self, key: Hashable) -> bool:
        """Whether work was wanted again since it began, or since this was asked last."""
        with self._lock:
            wanted = key in self._repeated
            self._repeated.discard(key)
        return wanted

    def _run(self, key: Hashable, work: Callable[[], None], anew: bool) -> None:
        ended = False
        while not ended:
            try:
                work()
            except EvidenceError as error:
                log.warning("a verdict was not delivered: %s", error.detail)
            except Exception as error:
                # Never its words: they may hold the consumer's token.
                log.error("a verdict was not delivered: %s", _place(error))
            finally:
                ended = self._ended(key, anew)

    def _ended(self, key: Hashable, anew: bool) -> bool:
        """Whether nothing is left to do, so that the next who wants it begins it."""
        with self._lock:
            if anew and key in self._repeated:
                self._repeated.discard(key)
                return False
            self._keys.pop(key, None)
            self._repeated.discard(key)
            return True


def _place(error: Exception) -> str:
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    if last is None:
        return type(error).__name__
    file = Path(last.tb_frame.f_code.co_filename).name
    return f"{type(error).__name__} in {file}:{last.tb_lineno}"
