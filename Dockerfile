# One image for `goodfit serve`, the Ray nodes and the MLflow server.
#
#   docker build -t goodfit:local .
#   docker build -t goodfit:gpu --build-arg TORCH_BACKEND=cu128 .

ARG PYTHON_VERSION=3.12

FROM python:${PYTHON_VERSION}-slim AS build
# cpu, or what `uv pip install --torch-backend` takes: cu128, cu130, rocm6.4, ...
ARG TORCH_BACKEND=cpu
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 UV_LINK_MODE=copy
WORKDIR /src
RUN python -m venv /opt/goodfit && python -m pip install --no-cache-dir "uv>=0.9"
# The libraries first: they change seldom, and what only changes Goodfit's own code builds in a moment.
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN uv pip compile --quiet --python /opt/goodfit/bin/python --torch-backend "$TORCH_BACKEND" -c constraints.txt \
      --extra cluster --extra s3 pyproject.toml -o /tmp/libraries.txt \
    && uv pip install --no-cache --python /opt/goodfit/bin/python --torch-backend "$TORCH_BACKEND" \
      --compile-bytecode -r /tmp/libraries.txt
COPY service service
COPY trainers trainers
COPY search_spaces search_spaces
RUN uv pip install --no-cache --python /opt/goodfit/bin/python --no-deps --compile-bytecode .

FROM python:${PYTHON_VERSION}-slim AS runtime
RUN groupadd --gid 10001 goodfit \
    && useradd --uid 10001 --gid goodfit --create-home --shell /usr/sbin/nologin goodfit \
    && install --directory --owner=goodfit --group=goodfit \
      /data /data/home /data/artifacts /data/mlflow /data/sets
COPY --from=build /opt/goodfit /opt/goodfit
COPY deploy /app/deploy
ENV PATH=/opt/goodfit/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    GOODFIT_HOME=/data/home \
    RAY_USAGE_STATS_ENABLED=0
WORKDIR /data
USER 10001:10001
EXPOSE 8000
CMD ["goodfit", "serve", "--host=0.0.0.0"]
