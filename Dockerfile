# The service: web side and worker of one machine, or one of them (`web`, `worker`).
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
RUN python -m venv /opt/evidence
COPY setup.cfg pyproject.toml constraints.txt README.md LICENSE ./
COPY mlflow_evidence_plugin mlflow_evidence_plugin
RUN /opt/evidence/bin/pip install --no-cache-dir -c constraints.txt '.[api]'

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/evidence evidence
COPY --from=build /opt/evidence /opt/evidence
WORKDIR /app
COPY api api
COPY openapi.yaml .
ENV PATH=/opt/evidence/bin:$PATH \
    EVIDENCE_SERVICE_HOME=/var/lib/evidence/home \
    MLFLOW_DISABLE_TELEMETRY=true \
    PYTHONUNBUFFERED=1
USER 10001
VOLUME /var/lib/evidence
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/readyz', timeout=4)"]
ENTRYPOINT ["python", "-m", "api", "--host", "0.0.0.0"]
