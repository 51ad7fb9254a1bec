"""The application for a WSGI server: `gunicorn api.wsgi:app`, after `python -m api prepare`."""

from mlflow_evidence_plugin.settings import Settings
from mlflow_evidence_plugin.wiring import build

from .address import PUBLIC_URL
from .app import create_app
from .consumers import configured
from .tasks import enqueuer

_settings = Settings.read()
# A process that is replaced while the database is away answers 503 until it is back.
app = create_app(build(_settings, away=True), enqueuer(_settings), configured(_settings))
app.config[PUBLIC_URL] = _settings.public_url
