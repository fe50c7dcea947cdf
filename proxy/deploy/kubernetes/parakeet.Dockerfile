# Adds the canary to the image of a Parakeet (or Magpie) server, with a Python of its own beside the server's:
#   docker build --build-arg SERVER_IMAGE=... -t registry.example/parakeet-with-canary:1 - < parakeet.Dockerfile
# Before the first release, write heads/main for the tag in the address below.
ARG SERVER_IMAGE
FROM ${SERVER_IMAGE}
# hadolint ignore=DL3002,DL3066
USER root
ENV UV_PYTHON_INSTALL_DIR=/opt/spark-audio/python UV_TOOL_DIR=/opt/spark-audio/tools UV_TOOL_BIN_DIR=/usr/local/bin
RUN --mount=type=bind,from=ghcr.io/astral-sh/uv:0.13.9,source=/uv,target=/usr/local/bin/uv \
    uv tool install --no-cache --managed-python --python 3.14 \
    https://github.com/spark-audio/spark-audio/archive/refs/tags/v0.1.0.tar.gz
# Where the server's image has a user of its own, go back to it here.
