"""Logs: one JSON object a line on the standard error, without secrets."""

from __future__ import annotations

import logging
import logging.config
import re
import time

from gunicorn.glogging import Logger
from pythonjsonlogger.core import LogData
from pythonjsonlogger.json import JsonEncoder, JsonFormatter

_SECRETS = (
    ("mle_", re.compile(r"\bmle_([0-9a-f]{1,16})_[\w-]+"), r"mle_\1_…"),
    ("bearer", re.compile(r"(?i)\b(bearer)\s+[\w.~+/=-]+"), r"\1 …"),
    ("basic", re.compile(r"(?i)\b(basic)\s+[\w.~+/=-]+"), r"\1 …"),
    ("://", re.compile(r"://[^/@\s:\"]*:[^/@\s\"]*@"), "://…@"),
)
"""What each begins with, so that most lines are not searched; the secret; and what is shown."""


class Formatter(JsonFormatter):
    """JSON lines in UTC. What looks like a token or a password is left out, wherever it stands."""

    converter = staticmethod(time.gmtime)
    encode = staticmethod(JsonEncoder().encode)

    def jsonify_log_record(self, log_data: LogData) -> str:
        """As JSON, by an encoder that is made once, and not for every line."""
        return self.encode(log_data)

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line = super().format(record)
        small = line.lower()
        for begins, secret, instead in _SECRETS:
            if begins in small:
                line = secret.sub(instead, line)
        return line


SETTINGS = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": Formatter,
            "fmt": "%(asctime)s %(levelname)s %(name)s %(message)s",
            "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
            "datefmt": "%Y-%m-%dT%H:%M:%SZ",
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"level": "INFO", "handlers": ["stderr"]},
    "loggers": {
        "alembic": {"level": "WARNING"},
        "huey": {"level": "WARNING"},
        "matplotlib": {"level": "WARNING"},
        "mlflow": {"level": "WARNING", "handlers": [], "propagate": True},
    },
}


def configure() -> None:
    """Send everything that is logged in this process, warnings too, through the formatter."""
    logging.config.dictConfig(SETTINGS)
    logging.captureWarnings(True)
    # No line names where in the code it was written, nor by which thread or process: then nobody
    # needs to look for that.
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


class GunicornLogger(Logger):  # type: ignore[misc]
    """gunicorn's own messages in the same form; requests are logged by the application."""

    def setup(self, cfg: object) -> None:
        """Leave handlers and form to the root logger."""
        configure()
        self.error_log.propagate = True
        self.error_log.setLevel(logging.INFO)
