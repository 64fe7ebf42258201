# The image of every stage. Where the train stage has a machine of its own it wants another one: for a
# TPU that of Dockerfile.tpu, for a GPU this one with --build-arg LOCK=requirements-gpu.lock, which
# adds 3 GB of CUDA libraries.
#
# The base is python:3.11-slim-bookworm of 2026-08-25 (Python 3.11.16), pinned by the digest of its
# index, which docker-library/repo-info lists in repos/python/remote/3.11-slim-bookworm.md.
FROM python:3.11-slim-bookworm@sha256:0bee7276f83efd4a1ee05bbbf4281d95ed28e079220a9457f25a93e3f1e3c31b

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PYTHONUNBUFFERED=1 \
    TF_CPP_MIN_LOG_LEVEL=2

# A layer of its own: it is large, and changes only with the lock. No stage reads the C++ headers,
# libclang or the packages' own tests: 0.5 GB.
ARG LOCK=requirements.lock
COPY requirements-build.lock ${LOCK} /opt/idxpipe/
RUN pip install --no-deps --require-hashes --only-binary :all: \
    --requirement /opt/idxpipe/requirements-build.lock \
 && pip install --no-deps --require-hashes --no-build-isolation --only-binary :all: \
    --no-binary kfp-server-api --requirement "/opt/idxpipe/${LOCK}" \
 && site=$(python -c 'import sysconfig; print(sysconfig.get_path("platlib"))') \
 && rm -rf "$site/tensorflow/include" "$site/clang" "$site/pyarrow/include" \
 && find "$site" -type d -name tests -prune -exec rm -rf {} +

# --no-build-isolation takes the setuptools of requirements-build.lock and fetches nothing.
COPY . /opt/idxpipe/
RUN pip install --no-deps --no-build-isolation /opt/idxpipe \
 && rm -rf /opt/idxpipe \
 && useradd --create-home --uid 10001 idxpipe

# By number, which a cluster that demands non-root can see. 0 is root, for a service whose mounts
# nobody else may write.
ARG RUN_AS=10001
USER ${RUN_AS}
WORKDIR /home/idxpipe
ENTRYPOINT []
CMD ["idxpipe", "--help"]
