# Built in two stages: the first has a compiler and fetches everything, the second runs it as an ordinary user.
FROM python:3.11-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc g++ libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/hepaboard
COPY requirements.txt constraints.txt ./
COPY scripts scripts
COPY viewer viewer
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
RUN source scripts/setup.sh && setup_python && setup_viewer
COPY . .

FROM python:3.11-slim-bookworm
RUN useradd --create-home --uid 10001 hepaboard && mkdir /data && chown hepaboard /data
COPY --from=build --chown=root:root /opt/hepaboard /opt/hepaboard
WORKDIR /opt/hepaboard
USER hepaboard
ENV HEPABOARD_HOME=/data NUMBA_CACHE_DIR=/data/numba PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
VOLUME /data
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=180s \
  CMD [".venv/bin/python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]
CMD ["./run", "--host", "0.0.0.0"]
