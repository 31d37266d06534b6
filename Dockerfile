# One image runs as web server and as worker; "dev" expects the source to be mounted on /app.

FROM python:3.12-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore
# pg_dump and pg_restore must be of the server's major version: 18 cannot restore into 15, 15 cannot read dumps of 18.
# Its minor version is not pinned: Debian keeps only the newest, and that is the one wanted.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends postgresql-client-15 \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /app
EXPOSE 8000


FROM base AS dev
ENV LEDGERFLOW_ENV=development
RUN --mount=type=cache,target=/root/.cache/pip \
    --mount=type=bind,source=requirements,target=requirements \
    pip install -r requirements/dev.txt
CMD ["python", "manage.py", "runserver", "--nothreading", "0.0.0.0:8000"]


FROM base AS prod
ENV LEDGERFLOW_ENV=production
RUN --mount=type=cache,target=/root/.cache/pip \
    --mount=type=bind,source=requirements,target=requirements \
    pip install -r requirements/prod.txt
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin ledgerflow \
    && install -d -m 0700 -o ledgerflow -g ledgerflow archive backups media
COPY . .
# The values only let the production settings load (they name the static files by content); none reaches the image.
RUN SECRET_KEY="$(python -c 'import secrets; print(secrets.token_hex(32))')" \
    ALLOWED_HOSTS=build DATABASE_URL=postgres://build@localhost/build \
    python manage.py collectstatic --noinput \
    && python -m compileall -q apps ledgerflow
# The code stays root's: the process that serves it cannot change it. A number tells an orchestrator it is not root.
USER 10001:10001
CMD ["gunicorn", "--config=docker/gunicorn.conf.py", "ledgerflow.wsgi"]
