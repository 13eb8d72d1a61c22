# One image for every part: the receiver, each worker, beat, Flower and the migration differ only in their command.
# It holds the installed package; what is a company's own is mounted at /company (docs/own-folder.md).
FROM python:3.11-slim AS packages
RUN apt-get update && apt-get install -y --no-install-recommends gcc && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/venv
WORKDIR /source
COPY pyproject.toml setup.py constraints.txt README.md LICENSE celeryconfig.py ./
COPY pipeline pipeline
COPY connectors connectors
COPY mappings mappings
COPY samples samples
RUN /opt/venv/bin/pip install --no-cache-dir -c constraints.txt .

FROM python:3.11-slim
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin afluente \
    && install -d -o afluente -m 0700 /data /records && install -d /company /app
COPY --from=packages /opt/venv /opt/venv
# An empty folder: Celery looks for modules in the current one first.
WORKDIR /app
# A safe path: programs come from the installation, whatever lies in the folder they are started in.
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONSAFEPATH=1 \
    AFLUENTE_HOME=/company AFLUENTE_DATA=/data AFLUENTE_LOG=json OPENBLAS_NUM_THREADS=1
USER afluente
EXPOSE 8080
STOPSIGNAL SIGTERM
CMD ["python", "-m", "pipeline.intake", "--host", "0.0.0.0", "--port", "8080"]
