# One image for everything: feed, API, worker, migrations and the Lambda functions. docs/image.md says how it is used.
ARG PYTHON=3.13

FROM python:${PYTHON}-slim-bookworm AS build
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
# A wheel of the same sources has the same bytes, whenever it is built.
ARG SOURCE_DATE_EPOCH=1750000000
ENV SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH} \
    UV_PROJECT_ENVIRONMENT=/opt/depthcast \
    UV_PYTHON=/usr/local/bin/python3 \
    UV_PYTHON_DOWNLOADS=never \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
RUN python3 -m pip install --no-cache-dir --root-user-action=ignore uv==0.13.9
WORKDIR /src
# Dependencies first, by the lock and its hashes: they change less often than the code.
COPY pyproject.toml uv.lock ./
RUN uv sync --locked --no-default-groups --no-install-project --compile-bytecode \
    --extra aws --extra functions --extra tables
COPY setup.py MANIFEST.in README.md LICENSE ./
COPY web web
COPY app app
RUN uv build --wheel --out-dir /wheel \
    && uv pip install --python /opt/depthcast/bin/python --no-deps --compile-bytecode /wheel/*.whl

FROM python:${PYTHON}-slim-bookworm
LABEL org.opencontainers.image.title="Depthcast" \
      org.opencontainers.image.description="Market-by-order data, rebuilt into exact order books and served live." \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/depthcast/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DEPTHCAST_CONFIG_DIR=/srv/depthcast/environments \
    DEPTHCAST_GATEWAY_LISTEN=0.0.0.0:13000 \
    DEPTHCAST_FEED_ADMIN=0.0.0.0:13080 \
    DEPTHCAST_API_LISTEN=0.0.0.0:8000 \
    DEPTHCAST_KEYS_FILE=/var/lib/depthcast/keys/gateway.json \
    DEPTHCAST_API_KEYS_FILE=/var/lib/depthcast/keys/api.json \
    DEPTHCAST_JOURNAL_FOLDER=/var/lib/depthcast/journal
# Nothing else is written: the root may be read-only.
RUN groupadd --gid 10001 depthcast \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/depthcast --shell /usr/sbin/nologin depthcast \
    && install -d -o depthcast -g depthcast -m 0750 \
        /var/lib/depthcast /var/lib/depthcast/journal /var/lib/depthcast/keys
COPY --from=build /opt/depthcast /opt/depthcast
COPY environments /srv/depthcast/environments
COPY functions /srv/depthcast/functions
WORKDIR /srv/depthcast
USER 10001:10001
VOLUME ["/var/lib/depthcast", "/tmp"]
EXPOSE 8000 13000 13080
STOPSIGNAL SIGTERM
# Of a feed or an API. A worker has nobody to answer to: its composition switches this off.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["depthcast", "health"]
ENTRYPOINT ["depthcast"]
CMD ["--help"]
