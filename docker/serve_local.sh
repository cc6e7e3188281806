#!/usr/bin/env bash
# The drop page in a container that can reach nothing and write nothing: docker/run_local.sh --serve calls it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

fail() { echo "run_local: $1" >&2; exit 2; }

[ "$(uname)" = Linux ] || fail "--serve needs Linux: Docker Desktop cannot reach a container without a network; run unionveil serve instead"
docker version >/dev/null 2>&1 || fail "no Docker engine answers; start one, or point DOCKER_HOST at it"
version=$(cat "$here/../algorithm/unionveil/VERSION")
image=${UNIONVEIL_IMAGE:-unionveil:$version}
docker image inspect "$image" >/dev/null 2>&1 || fail "there is no image $image; make image builds it"

# Others on this machine can reach the container too.
UNIONVEIL_TOKEN=$(head -c 24 /dev/urandom | base64 | tr '+/' '-_')
export UNIONVEIL_TOKEN

options=(--user 1000:1000 --read-only --cap-drop ALL --security-opt no-new-privileges --ulimit fsize=0:0)
options+=(--pids-limit 512 --memory "${UNIONVEIL_MEMORY:-2g}" --memory-swap "${UNIONVEIL_MEMORY:-2g}")
[ -z "${UNIONVEIL_CPUS:-}" ] || options+=(--cpus "$UNIONVEIL_CPUS")
[ -z "${UNIONVEIL_GPUS:-}" ] || options+=(--gpus "$UNIONVEIL_GPUS")

container='' network=unionveil-serve-$$
clean_up() {
  [ -z "$container" ] || docker rm --force --volumes "$container" >/dev/null
  docker network rm "$network" >/dev/null 2>&1 || true
}
trap clean_up EXIT
docker network create --internal "$network" >/dev/null || fail "the engine cannot create a network"
container=$(docker create --pull never --network "$network" --env UNIONVEIL_TOKEN --log-driver none "${options[@]}" \
  --entrypoint /opt/unionveil/bin/python "$image" -I -m unionveil serve --host 0.0.0.0 --port 8000 "$@") ||
  fail "the container cannot be created"

stopped=''
stop() { stopped=yes; docker stop --time 10 "$container" >/dev/null 2>&1 || true; }
trap stop INT TERM
coproc lines { exec docker start --attach "$container" 2>&1; }
attached=$lines_PID
while IFS= read -r line; do
  case $line in
    "unionveil: open "*)
      address=$(docker inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$container")
      echo "unionveil: open http://$address:8000/#token=$UNIONVEIL_TOKEN" >&2 ;;
    *) echo "$line" >&2 ;;
  esac
done <&"${lines[0]}" || true
code=0
wait "$attached" 2>/dev/null || code=$?
[ -z "$stopped" ] || code=0
exit "$code"
