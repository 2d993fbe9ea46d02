# One image for every step: `docker run --rm -v "$PWD":/work textmill run my.yaml`.
# Its target `worker` is for Beam: `docker build --target worker -t textmill-worker .`

# Tags can move. For builds that repeat, name the digest that `docker pull` prints:
# `--build-arg PYTHON_IMAGE=python:3.11-slim@sha256:...`.
ARG PYTHON_IMAGE=python:3.11-slim
ARG BEAM_IMAGE=apache/beam_python3.11_sdk:2.77.0

FROM ${BEAM_IMAGE} AS beam

FROM ${PYTHON_IMAGE} AS base

# What the image is for: '[vertex]' for gs://, '[s3]' for s3://, '[data]', or several.
ARG EXTRAS="[data]"

ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

WORKDIR /opt/textmill
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY pipeline ./pipeline
COPY components ./components
COPY models ./models
RUN pip install --constraint constraints.txt ".${EXTRAS}"
COPY configs ./configs
RUN useradd --create-home --uid 1000 textmill \
    && install --directory --owner=textmill /work

# Beam's boot program starts the harness that a runner asks for; of the same version.
FROM base AS worker
COPY --from=beam /opt/apache/beam /opt/apache/beam
# Dataflow mounts folders that only root may write. Elsewhere:
# `--build-arg WORKER_USER=textmill`.
ARG WORKER_USER=root
USER ${WORKER_USER}
ENTRYPOINT ["/opt/apache/beam/boot"]

FROM base AS textmill
USER textmill
WORKDIR /work

ENTRYPOINT ["textmill"]
