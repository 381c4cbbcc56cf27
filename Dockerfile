# One image for `goodfit serve`, the Ray nodes and the MLflow server.
#
#   docker build -t goodfit:local .
#   docker build -t goodfit:gpu --build-arg TORCH_BACKEND=cu128 .

FROM python:3.12.12-slim-bookworm AS libraries
# cpu, or what `uv pip install --torch-backend` takes: cu128, cu130, rocm6.4, ...
ARG TORCH_BACKEND=cpu
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 UV_LINK_MODE=copy
WORKDIR /src
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv /opt/goodfit && python -m pip install "uv==0.13.9"
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN --mount=type=cache,target=/root/.cache/uv \
    uv pip compile --quiet --python /opt/goodfit/bin/python --torch-backend "$TORCH_BACKEND" -c constraints.txt \
      --extra cluster --extra s3 pyproject.toml -o /tmp/libraries.txt \
    && uv pip install --python /opt/goodfit/bin/python --torch-backend "$TORCH_BACKEND" \
      --compile-bytecode -r /tmp/libraries.txt
# What the studies here import beside, separated by spaces; nothing of the above changes with it.
ARG PACKAGES=""
# hadolint ignore=SC2086
RUN --mount=type=cache,target=/root/.cache/uv \
    printf '%s\n' $PACKAGES > /tmp/packages.txt \
    && uv pip install --python /opt/goodfit/bin/python --compile-bytecode -c /tmp/libraries.txt -r /tmp/packages.txt

# Goodfit's own code, in a folder and so in a layer of its own: 4 MB beside the 2 GB of libraries.
FROM libraries AS own
COPY goodfit goodfit
COPY service service
COPY trainers trainers
COPY search_spaces search_spaces
RUN --mount=type=cache,target=/root/.cache/uv \
    uv pip install --python /opt/goodfit/bin/python --no-deps --compile-bytecode --target /opt/own .

FROM python:3.12.12-slim-bookworm AS runtime
RUN groupadd --gid 10001 goodfit \
    && useradd --uid 10001 --gid goodfit --create-home --shell /usr/sbin/nologin goodfit \
    && install --directory --owner=goodfit --group=goodfit \
      /data /data/home /data/artifacts /data/mlflow /data/scratch /data/sets
COPY --from=libraries /opt/goodfit /opt/goodfit
COPY --from=own /opt/own /opt/own
COPY deploy /app/deploy
# What libraries keep for themselves goes to /tmp: the image is read-only in a container.
ENV PATH=/opt/own/bin:/opt/goodfit/bin:$PATH \
    PYTHONPATH=/app:/opt/own \
    PYTHONUNBUFFERED=1 \
    GOODFIT_HOME=/data/home \
    HOME=/tmp \
    TMPDIR=/data/scratch \
    XDG_CACHE_HOME=/tmp/cache \
    XDG_CONFIG_HOME=/tmp/config \
    MPLCONFIGDIR=/tmp/matplotlib \
    RAY_USAGE_STATS_ENABLED=0
ARG GOODFIT_VERSION=local
LABEL org.opencontainers.image.title="Goodfit" \
      org.opencontainers.image.description="Hyperparameter optimization that says whether the model fits" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/goodfit/goodfit" \
      org.opencontainers.image.documentation="https://github.com/goodfit/goodfit#readme" \
      org.opencontainers.image.version="$GOODFIT_VERSION"
WORKDIR /data
USER 10001:10001
EXPOSE 8000
CMD ["goodfit", "serve", "--host=0.0.0.0"]
