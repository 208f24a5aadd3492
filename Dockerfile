# One image for ingest, the schedule and the dashboard: the command says which.
FROM python:3.11-slim AS build
WORKDIR /src
# Ingest has two loops in C; without a compiler here it would be slower, and the same.
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/counterfoil
COPY requirements/runtime.lock requirements/runtime.lock
RUN /opt/counterfoil/bin/pip install --no-cache-dir --require-hashes -r requirements/runtime.lock
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY lake lake
COPY ingest ingest
COPY analytics analytics
COPY delivery delivery
COPY jobs jobs
COPY proof proof
COPY dashboards dashboards
COPY sample_data sample_data
COPY counterfoil counterfoil
RUN /opt/counterfoil/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.11-slim
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin counterfoil \
    && install -d -o counterfoil -g counterfoil /data
COPY --from=build /opt/counterfoil /opt/counterfoil
ENV PATH=/opt/counterfoil/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    COUNTERFOIL_LAKE__URL=/data/lake
USER 10001
WORKDIR /data
VOLUME /data
# Without a network port of its own the least that shows it to be well is that it starts; compose.yaml asks each service.
HEALTHCHECK --interval=60s --timeout=10s CMD ["counterfoil", "--version"]
ENTRYPOINT ["counterfoil"]
CMD ["run"]
