# The service: web side and worker in one container, or one of them (`web`, `worker`).
#
# The tag moves with Debian's and Python's security fixes. Build what you release from a digest:
#   docker build --build-arg BASE=python:3.11-slim-bookworm@sha256:… \
#                --build-arg REVISION="$(git rev-parse HEAD)" -t mlflow-evidence .
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
# For Azure Machine Learning: EXTRAS=api,azureml CONSTRAINTS=/dev/null, since its client needs an
# older mlflow than the one that constraints.txt names.
ARG EXTRAS=api
ARG CONSTRAINTS=constraints.txt
ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY setup.cfg pyproject.toml constraints.txt README.md LICENSE ./
COPY mlflow_evidence_plugin mlflow_evidence_plugin
# The environment has no pip of its own: the base image's installs into it, and stays behind.
RUN python -m venv --without-pip /opt/evidence \
    && python -m pip wheel --quiet --no-deps --wheel-dir /wheels . \
    && python -m pip --python /opt/evidence/bin/python install --quiet --no-compile \
        --constraint "${CONSTRAINTS}" "$(echo /wheels/*.whl)[${EXTRAS}]"
WORKDIR /app
COPY deploy/image/health.py ./
COPY api api
# Compiled by content, not by time: the same sources make the same files, and nothing needs to be
# written when it runs. The modes are set because a checkout has those of somebody's umask.
RUN python -m compileall -q --invalidation-mode unchecked-hash /opt/evidence/lib /app \
    && chmod -R u=rwX,go=rX /opt/evidence /app

FROM ${BASE}
ARG BASE
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="mlflow-evidence" \
      org.opencontainers.image.description="Evidence about MLflow runs and models, over REST" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE}"
# The user is written by hand: useradd would put today's date into /etc/shadow. libpq wants a name.
# Nothing is ever installed here, so that the means to do so go.
RUN echo 'evidence:x:10001:10001::/var/lib/evidence:/usr/sbin/nologin' >> /etc/passwd \
    && echo 'evidence:x:10001:' >> /etc/group \
    && install -d -m 0700 -o 10001 -g 10001 /var/lib/evidence \
    && python -m pip --no-cache-dir uninstall --quiet --yes --root-user-action ignore \
        wheel setuptools pip \
    && rm -rf /usr/local/lib/python3.11/ensurepip
COPY --from=build /opt/evidence /opt/evidence
COPY --from=build /app /app
WORKDIR /app
# With a read-only root only the home and /tmp are written, and /dev/shm: gunicorn's heartbeats
# must not wait for a disk.
ENV PATH=/opt/evidence/bin:$PATH \
    EVIDENCE_SERVICE_HOME=/var/lib/evidence \
    GUNICORN_CMD_ARGS="--worker-tmp-dir=/dev/shm" \
    MLFLOW_DISABLE_TELEMETRY=true \
    MPLCONFIGDIR=/tmp/matplotlib \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
VOLUME /var/lib/evidence
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
    CMD ["python", "/app/health.py"]
ENTRYPOINT ["python", "-m", "api", "--host", "0.0.0.0"]
