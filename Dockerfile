# One image for every step: `docker run --rm -v "$PWD":/work textmill run my.yaml`.
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

WORKDIR /opt/textmill
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY pipeline ./pipeline
COPY components ./components
COPY models ./models
RUN pip install --constraint constraints.txt ".[data,kubeflow,s3]" google-cloud-storage
COPY configs ./configs

RUN useradd --create-home --uid 1000 textmill \
    && install --directory --owner=textmill /work
USER textmill
WORKDIR /work

ENTRYPOINT ["textmill"]
