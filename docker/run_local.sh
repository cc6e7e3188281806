#!/usr/bin/env bash
# Runs the image on a folder exactly as an Ocean node does: without a network, as a user without a name, and only
# its own /data writable. The photos are copied into that and the results out of it; both copies are removed at
# the end.
#
#   docker/run_local.sh INPUTS OUTPUTS [PARAMETERS.json]
#   docker/run_local.sh --serve [OPTIONS]       the drop page, offline; OPTIONS as for `unionveil serve`
#
# OUTPUTS must be new or empty. It receives the job's outputs, even if the job failed, as from a node.
# The exit code is the job's: 0 all done, 1 some inputs rejected, 2 wrong use or an error, 137 out of memory.
#
#   UNIONVEIL_IMAGE            the image; unionveil:VERSION, as built by `make image`
#   UNIONVEIL_MEMORY           memory, as for `docker run --memory`; 2g
#   UNIONVEIL_CPUS             processors; all
#   UNIONVEIL_TIMEOUT_SECONDS  stops the job after this time and keeps its outputs; never
#   UNIONVEIL_GPUS             for the GPU image: all, or as for `docker run --gpus`; none
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

fail() { echo "run_local: $1" >&2; exit 2; }

case ${1:-} in -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p;}' "$0"; exit ;; esac
[ "${1:-}" != --serve ] || exec "$here/serve_local.sh" "${@:2}"
[ $# -eq 2 ] || [ $# -eq 3 ] || fail "usage: docker/run_local.sh INPUTS OUTPUTS [PARAMETERS.json]"
inputs=$1 outputs=$2 parameters=${3:-}
seconds=${UNIONVEIL_TIMEOUT_SECONDS:-}

[ -d "$inputs" ] || fail "$inputs is not a folder; name the folder of the photos"
[ -r "$inputs" ] && [ -x "$inputs" ] || fail "$inputs cannot be read; give yourself the right to read it"
[ -n "$(ls -A "$inputs")" ] || fail "$inputs is empty; put photos or archives into it"
[ -z "$parameters" ] || [ -f "$parameters" ] || fail "$parameters is not a file; name a JSON file of parameters"
[ ! -e "$outputs" ] || [ -d "$outputs" ] || fail "$outputs is a file; name a new or empty folder"
[ ! -d "$outputs" ] || [ -z "$(ls -A "$outputs")" ] || fail "$outputs is not empty; name a new or empty folder"
[[ -z $seconds || $seconds =~ ^[0-9]+$ ]] || fail "UNIONVEIL_TIMEOUT_SECONDS is $seconds; it must be whole seconds"
there=$outputs
while [ ! -d "$there" ]; do there=$(dirname "$there"); done
inputs=$(cd "$inputs" && pwd -P)
[[ $(cd "$there" && pwd -P)/ != "$inputs"/* ]] || fail "$outputs is in the folder of the photos; choose one outside it"
mkdir -p "$outputs" 2>/dev/null && [ -w "$outputs" ] || fail "$outputs cannot be written to; choose another folder"
docker version >/dev/null 2>&1 || fail "no Docker engine answers; start one, or point DOCKER_HOST at it"
version=$(cat "$here/../algorithm/unionveil/VERSION")
image=${UNIONVEIL_IMAGE:-unionveil:$version}
docker image inspect "$image" >/dev/null 2>&1 || fail "there is no image $image; make image builds it"

options=(--network none --user 1000:1000 --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges)
options+=(--pids-limit 512 --memory "${UNIONVEIL_MEMORY:-2g}" --memory-swap "${UNIONVEIL_MEMORY:-2g}")
[ -z "${UNIONVEIL_CPUS:-}" ] || options+=(--cpus "$UNIONVEIL_CPUS")
[ -z "${UNIONVEIL_GPUS:-}" ] || options+=(--gpus "$UNIONVEIL_GPUS")

folders=$(mktemp -d)
container=''
clean_up() {
  rm -r "$folders"
  [ -z "$container" ] || docker rm --force --volumes "$container" >/dev/null
}
trap clean_up EXIT
container=$(docker create --pull never --mount type=volume,destination=/data "${options[@]}" "$image" 2>"$folders/why") ||
  fail "the container cannot be created: $(tail -n 1 "$folders/why")"
rm "$folders/why"

# Inside, everything belongs to the job's user, regardless of the owner outside.
if tar --version 2>/dev/null | grep -q GNU; then owner=(--owner=1000 --group=1000 --mode=u+rwX); else owner=(--uid 1000 --gid 1000); fi
copy_in() { COPYFILE_DISABLE=1 tar "${owner[@]}" -cf - -C "$1" . | docker cp - "$container:$2"; }
mkdir "$folders"/{ddos,inputs,logs,outputs,transformations}
if [ -n "$parameters" ]; then
  cp "$parameters" "$folders/inputs/algoCustomData.json"
elif [ ! -e "$inputs/algoCustomData.json" ]; then
  echo '{}' >"$folders/inputs/algoCustomData.json"
fi
echo "run_local: copying the photos to the engine" >&2
chmod 755 "$folders"
copy_in "$folders" /data || fail "the job's folders could not be copied to the engine"
# The given parameters take precedence over a file of that name among the photos.
copy_in "$inputs" /data/inputs || fail "the photos could not be copied; the job was not started"
[ -z "$parameters" ] || copy_in "$folders/inputs" /data/inputs || fail "the parameters could not be copied"

stop() { docker stop --time 10 "$container" >/dev/null 2>&1 || true; }
trap 'echo "run_local: stopping the job" >&2; stop' INT TERM
docker start "$container" >/dev/null 2>"$folders/why" || fail "the container cannot start: $(tail -n 1 "$folders/why")"
docker logs --follow "$container" &
following=$!
if [ -n "$seconds" ]; then
  (
    sleep "$seconds" &
    trap 'kill $! 2>/dev/null; exit' TERM
    wait $!
    echo "run_local: $seconds seconds are over; stopping the job" >&2
    stop
  ) &
  timer=$!
fi
while kill -0 $following 2>/dev/null; do wait $following || true; done
[ -z "${timer:-}" ] || kill "$timer" 2>/dev/null || true
trap - INT TERM
code=$(docker wait "$container")
docker cp "$container:/data/outputs/." "$outputs" || fail "the results could not be copied to $outputs"
# The job handles the end of a worker; 137 is the end of the job itself.
if [ "$code" = 137 ] && [ "$(docker inspect --format '{{.State.OOMKilled}}' "$container")" = true ]; then
  echo "run_local: the job ran out of memory; set UNIONVEIL_MEMORY to more than ${UNIONVEIL_MEMORY:-2g}" >&2
fi
echo "run_local: the job ended with $code; results in $outputs" >&2
exit "$code"
