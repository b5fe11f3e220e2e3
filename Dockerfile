# One image for web and worker. Mirrors, where a site has its own, are build arguments without
# defaults: --build-arg PIP_INDEX_URL=… --build-arg NPM_CONFIG_REGISTRY=…
FROM node:20-bookworm-slim AS vendor
ARG NPM_CONFIG_REGISTRY
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --silent --no-audit --no-fund \
 && mkdir vendor \
 && cp node_modules/swagger-ui-dist/swagger-ui.css node_modules/swagger-ui-dist/swagger-ui-bundle.js vendor/ \
 && touch vendor/installed

FROM python:3.11-slim-bookworm
ARG PIP_INDEX_URL
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PATH=/app/.venv/bin:$PATH
RUN useradd --system --uid 10001 --home-dir /data --create-home xunhe
WORKDIR /app
COPY requirements.lock ./
RUN python -m venv .venv \
 && .venv/bin/pip install --quiet --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml alembic.ini ./
COPY migrations migrations
COPY demo demo
COPY app app
COPY --from=vendor /build/vendor app/web/static/vendor
RUN .venv/bin/pip install --quiet --no-cache-dir --no-deps --editable . \
 && python -m compileall -q app migrations
USER xunhe
ENV XUNHE_DATA_DIR=/data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["xunhe", "serve", "--host", "0.0.0.0", "--port", "8000", "--workers", "2"]
