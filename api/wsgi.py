"""The application for a WSGI server: `gunicorn api.wsgi:app`, after `python -m api prepare`."""

from mlflow_evidence_plugin.settings import Settings
from mlflow_evidence_plugin.wiring import build

from .app import create_app
from .tasks import enqueuer

_settings = Settings.read()
app = create_app(build(_settings), enqueuer(_settings))
