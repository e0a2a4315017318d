# syntax=docker/dockerfile:1.10
# Two images from one base:   docker build --target cpu -t lipstream:0.1.0-cpu .
#                             docker build --target gpu -t lipstream:0.1.0-gpu .
# The list of what is inside: docker build --target sbom --output sbom .

# A tag can be moved, a digest cannot. Releases name it: --build-arg BASE=python:3.11.14-slim-bookworm@sha256:...
ARG BASE=python:3.11.14-slim-bookworm

FROM ${BASE} AS base
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
WORKDIR /build

FROM base AS tools
COPY deploy/requirements/build.txt ./
RUN python -m venv /tools && /tools/bin/pip install --require-hashes --only-binary :all: -r build.txt

# The package alone; changes of the code leave the layers of its dependencies as they are.
FROM tools AS package
COPY pyproject.toml README.md LICENSE ./
COPY common common
COPY workers workers
COPY gateway gateway
COPY cli cli
COPY avatars avatars
COPY client client
RUN /tools/bin/pip wheel --no-build-isolation --no-deps --wheel-dir /wheel .

# Neither pip nor the libraries' tests go into the images: nobody can install anything there, and they are smaller.
FROM tools AS cpu-packages
COPY deploy/requirements/cpu.txt ./
RUN python -m venv --without-pip /opt/lipstream \
    && /tools/bin/pip --python /opt/lipstream/bin/python install --require-hashes --only-binary :all: -r cpu.txt \
    && find /opt/lipstream -type d -name tests -prune -exec rm -r {} +
COPY --from=package /wheel /wheel
RUN /tools/bin/pip --python /opt/lipstream/bin/python install --no-deps /wheel/*.whl \
    && /opt/lipstream/bin/lipstream --help > /dev/null

FROM tools AS gpu-packages
COPY deploy/requirements/gpu.txt ./
RUN python -m venv --without-pip /opt/lipstream \
    && /tools/bin/pip --python /opt/lipstream/bin/python install --require-hashes --only-binary :all: -r gpu.txt \
    && find /opt/lipstream -type d -name tests -prune -exec rm -r {} +
COPY --from=package /wheel /wheel
RUN /tools/bin/pip --python /opt/lipstream/bin/python install --no-deps /wheel/*.whl \
    && /opt/lipstream/bin/lipstream --help > /dev/null

# CycloneDX: every package of the image with its version, licence and origin.
FROM tools AS cpu-sbom
COPY --from=cpu-packages /opt/lipstream /opt/lipstream
RUN /tools/bin/cyclonedx-py environment /opt/lipstream/bin/python --output-reproducible --output-file /cpu.cdx.json

FROM tools AS gpu-sbom
COPY --from=gpu-packages /opt/lipstream /opt/lipstream
RUN /tools/bin/cyclonedx-py environment /opt/lipstream/bin/python --output-reproducible --output-file /gpu.cdx.json

FROM scratch AS sbom
COPY --from=cpu-sbom /cpu.cdx.json /
COPY --from=gpu-sbom /gpu.cdx.json /

# A new volume that is mounted at one of these belongs to whom it belongs to here.
FROM base AS places
RUN mkdir /places /places/recordings

FROM ${BASE} AS runtime
COPY --from=places --chown=10001:10001 /places/ /var/lib/lipstream/
# /tmp and what is mounted are all that is written to; the root file system may be read-only.
ENV PATH=/opt/lipstream/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    HEALTH_URL=http://127.0.0.1:9100/readyz
WORKDIR /tmp
EXPOSE 3000 9100
STOPSIGNAL SIGTERM
# The workers' address; a gateway is told another HEALTH_URL. Kubernetes has probes of its own.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(os.environ['HEALTH_URL'], timeout=2)"]
ENTRYPOINT ["lipstream"]
CMD ["--help"]

FROM runtime AS gpu
COPY --from=gpu-packages /opt/lipstream /opt/lipstream
COPY --from=gpu-sbom /gpu.cdx.json /usr/share/doc/lipstream/sbom.cdx.json
# The driver's own libraries come from the node, by the NVIDIA container runtime.
ENV LD_LIBRARY_PATH=/opt/lipstream/lib/python3.11/site-packages/nvidia/cu13/lib:/opt/lipstream/lib/python3.11/site-packages/nvidia/cudnn/lib \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    LIPSTREAM_PROVIDER=cuda
USER 10001:10001

# Last, so that a plain `docker build .` makes it.
FROM runtime AS cpu
COPY --from=cpu-packages /opt/lipstream /opt/lipstream
COPY --from=cpu-sbom /cpu.cdx.json /usr/share/doc/lipstream/sbom.cdx.json
USER 10001:10001
