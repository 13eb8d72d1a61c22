# One image for every part: the receiver, each worker, beat, Flower and the migration differ only in their command.
FROM python:3.11-slim AS packages
RUN apt-get update && apt-get install -y --no-install-recommends gcc && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/venv
WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE celeryconfig.py ./
COPY pipeline pipeline
COPY connectors connectors
# Editable: mappings, vocabularies and samples lie beside the code, and both are found there.
RUN /opt/venv/bin/pip install --no-cache-dir -c constraints.txt -e .

FROM python:3.11-slim
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin afluente \
    && install -d -o afluente /data
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY --from=packages /app /app
COPY mappings mappings
COPY samples samples
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    AFLUENTE_DATA=/data AFLUENTE_LOG=json OPENBLAS_NUM_THREADS=1
USER afluente
EXPOSE 8080
STOPSIGNAL SIGTERM
CMD ["python", "-m", "pipeline.intake", "--host", "0.0.0.0", "--port", "8080"]
