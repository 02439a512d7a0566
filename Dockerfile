# One image for each service: docker build --target gateway --build-arg PYTHON_IMAGE=python:3.13-slim-bookworm@sha256:…
#
# The base image has no default: it must be named by its digest, and a digest in here would grow old unnoticed.
# `make deploy` asks for it (PYTHON_IMAGE) and refuses one without.
ARG PYTHON_IMAGE

# ---- packages: wheels with known hashes only, so nothing is compiled and nothing else is fetched ----
FROM ${PYTHON_IMAGE} AS packages
WORKDIR /build
COPY requirements/run.txt requirements/run.txt
COPY infra/image_requirements.py infra/image_requirements.py
RUN python infra/image_requirements.py > wanted.txt && python -m venv --copies /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: -r wanted.txt

FROM packages AS packages-embedding
RUN python infra/image_requirements.py embedding > wanted.txt \
 && /opt/venv/bin/pip install --target /opt/own --no-cache-dir --no-deps --require-hashes --only-binary :all: \
    -r wanted.txt

FROM packages AS packages-gateway
RUN python infra/image_requirements.py gateway > wanted.txt \
 && /opt/venv/bin/pip install --target /opt/own --no-cache-dir --no-deps --require-hashes --only-binary :all: \
    -r wanted.txt

# ---- what every service has: packages, code without its tools, and a user that owns nothing ----
FROM ${PYTHON_IMAGE} AS base
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PYTHONPATH=/srv/ragstone:/opt/own PATH=/opt/venv/bin:$PATH \
    LITELLM_LOCAL_MODEL_COST_MAP=True OPENBLAS_NUM_THREADS=1 HOME=/tmp
RUN groupadd --gid 10001 ragstone \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin ragstone
COPY --from=packages /opt/venv /opt/venv
WORKDIR /srv/ragstone
COPY LICENSE NOTICE ./
COPY chalicelib chalicelib
COPY ui ui
COPY fargate fargate
# The root file system is read-only; whatever is mounted here keeps these permissions.
RUN chmod 1777 /tmp && python -m compileall -q chalicelib fargate
VOLUME ["/tmp"]
USER 10001:10001
EXPOSE 8080

# ---- the services ----
FROM base AS ingestion
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s CMD ["python", "-m", "fargate.http.probe", "ingestion"]
ENTRYPOINT ["python", "-m", "fargate", "ingestion"]

FROM base AS embedding
COPY --from=packages-embedding /opt/own /opt/own
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s CMD ["python", "-m", "fargate.http.probe", "embedding"]
ENTRYPOINT ["python", "-m", "fargate", "embedding"]

FROM base AS retrieval
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s CMD ["python", "-m", "fargate.http.probe", "retrieval"]
ENTRYPOINT ["python", "-m", "fargate", "retrieval"]

FROM base AS generation
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s CMD ["python", "-m", "fargate.http.probe", "generation"]
ENTRYPOINT ["python", "-m", "fargate", "generation"]

FROM base AS gateway
COPY --from=packages-gateway /opt/own /opt/own
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s CMD ["python", "-m", "fargate.http.probe", "gateway"]
ENTRYPOINT ["python", "-m", "fargate", "gateway"]
