# syntax=docker/dockerfile:1
# One file, three images, chosen by --build-arg VARIANT:
#   service  the dashboard, the reaper and every command that does not train; no torch
#   cpu      the same with torch for the CPU
#   cuda     the same with torch for NVIDIA GPUs (the host needs a driver and the NVIDIA Container Toolkit)
# What is installed is a layer of its own below the code: a change of the code is a push of kilobytes.
ARG VARIANT=service
ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS service
COPY --from=ghcr.io/astral-sh/uv:0.13 /uv /usr/local/bin/uv
ENV UV_SYSTEM_PYTHON=1 UV_NO_CACHE=1 UV_COMPILE_BYTECODE=1
WORKDIR /opt/winnow
COPY pyproject.toml ./
RUN uv pip install --requirements pyproject.toml --extra postgresql --extra dashboard

FROM service AS cpu
RUN uv pip install --requirements pyproject.toml --extra train --extra cmaes --torch-backend cpu

FROM service AS cuda
ARG CUDA=cu128
RUN uv pip install --requirements pyproject.toml --extra train --extra cmaes --torch-backend "${CUDA}"

# hadolint ignore=DL3006
FROM ${VARIANT}
WORKDIR /opt/winnow
COPY LICENSE README.md ./
COPY objectives ./objectives
COPY storage ./storage
COPY search ./search
COPY studies ./studies
COPY winnow ./winnow
# A volume takes the owner of the folder that it covers: checkpoints and artifacts are written by this user.
RUN uv pip install --no-deps . \
    && useradd --uid 10001 --create-home winnow \
    && install --directory --owner winnow --group winnow /var/lib/winnow
USER 10001:10001
WORKDIR /home/winnow
ENV WINNOW_FILES=/var/lib/winnow
ENTRYPOINT ["winnow"]
