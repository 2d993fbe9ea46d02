# One image for every step: `docker run --rm -v "$PWD":/work textmill run my.yaml`.
# Its target `worker` is for Beam: `docker build --target worker -t textmill-worker .`
FROM python:3.11-slim AS base

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

# Beam's boot program starts the harness that a runner asks for; of the same version.
FROM base AS worker
COPY --from=apache/beam_python3.11_sdk:2.77.0 /opt/apache/beam /opt/apache/beam
ENTRYPOINT ["/opt/apache/beam/boot"]

FROM base AS textmill
RUN useradd --create-home --uid 1000 textmill \
    && install --directory --owner=textmill /work
USER textmill
WORKDIR /work

ENTRYPOINT ["textmill"]
