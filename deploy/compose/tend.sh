# For the scripts that try Compose files, which source it. Podman needs systemd for health checks and
# restarts. Without systemd, "tend" does both for the containers of $COMPOSE_PROJECT_NAME.

stopped=$(mktemp)  # The id of the container that is stopped on purpose; "tend" does not restart it.

tend() {
  command -v podman >/dev/null && ! pidof systemd >/dev/null || return 0
  local of_project=(--filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME")
  while sleep 1; do
    for id in $(podman ps -q "${of_project[@]}"); do
      podman healthcheck run "$id" >/dev/null 2>&1 || true
    done
    for id in $(podman ps -aq --no-trunc --filter status=exited "${of_project[@]}"); do
      [ "$id" != "$(cat "$stopped")" ] || continue
      case $(podman inspect -f '{{.HostConfig.RestartPolicy.Name}}' "$id" 2>/dev/null || true) in
        unless-stopped) podman start "$id" >/dev/null 2>&1 || true ;;
      esac
    done
  done
}

until_healthy() {
  for _ in $(seq 90); do
    curl -fs "localhost:$PRODUCER_PORT/health" >/dev/null 2>&1 &&
      curl -fs "localhost:$CONSUMER_PORT/health" >/dev/null 2>&1 && return 0
    sleep 1
  done
  echo "The services are not healthy $1"; return 1
}
