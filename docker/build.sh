#!/usr/bin/env bash
# Builds the image and prints its container section for metadata/algorithm.json, as JSON on standard output.
#
#   docker/build.sh                        the image unionveil:VERSION
#   docker/build.sh --gpu                  unionveil:VERSION-gpu, which uses an NVIDIA GPU
#   docker/build.sh --text                 unionveil:VERSION-text, which can cover text as well
#   docker/build.sh --image ghcr.io/NAME/unionveil [--tag TAG]    another name
#   docker/build.sh --push                 also pushes it; only then does it have a checksum by which a node can pull it
#   docker/build.sh -- ARGUMENT...         passes the rest to `docker build`
#
# BASE_DIGEST=sha256:... pins the base image; releases set it (docker/README.md says how to find it).
# SOURCE_DATE_EPOCH sets the image's creation time, by default the time of the commit.
# The build uses pip's configuration in PIP_INDEX_URL, PIP_EXTRA_INDEX_URL, PIP_TRUSTED_HOST, PIP_CONFIG_FILE,
# PIP_CERT and SSL_CERT_FILE, and keeps none of it in the image. Proxies come from docker's settings, or from
# HTTPS_PROXY and similar variables.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "build: $1" >&2; exit 2; }

image=unionveil tag='' variant=cpu text=no engine=onnxruntime push='' arguments=()
while [ $# -gt 0 ]; do
  case $1 in
    --gpu) variant=gpu engine=cuda ;;
    --text) text=yes ;;
    --image) image=${2:?build: --image needs a name}; shift ;;
    --tag) tag=${2:?build: --tag needs a name}; shift ;;
    --push) push=yes ;;
    --) shift; arguments=("$@"); break ;;
    -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit ;;
    *) fail "$1 is not an option; docker/build.sh --help lists them" ;;
  esac
  shift
done
docker version >/dev/null 2>&1 || fail "no Docker engine answers; start one, or point DOCKER_HOST at it"

version=$(cat algorithm/unionveil/VERSION)
if [ -z "$tag" ]; then
  tag=$version
  [ "$variant" = cpu ] || tag=$tag-$variant
  [ "$text" = no ] || tag=$tag-text
fi
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
[ "$revision" = unknown ] || [ -z "$(git status --porcelain -- algorithm docker)" ] || revision=$revision-changed
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
created=$(date --utc --date "@$epoch" +%Y-%m-%dT%H:%M:%SZ 2>/dev/null || date -u -r "$epoch" +%Y-%m-%dT%H:%M:%SZ)

# Secrets are files for one build step: addresses may contain passwords, and arguments stay in the history.
private=$(mktemp -d)
trap 'rm -r "$private"' EXIT
{
  [ ! -f "${PIP_CONFIG_FILE:-}" ] || cat "$PIP_CONFIG_FILE"
  echo
  echo '[global]'
  for option in index-url extra-index-url trusted-host default-timeout; do
    variable=PIP_$(tr a-z- A-Z_ <<<"$option")
    [ -z "${!variable:-}" ] || echo "$option = ${!variable}"
  done
} >"$private/pip.conf"
arguments+=(--secret "id=pip.conf,src=$private/pip.conf")
certificates=${PIP_CERT:-${SSL_CERT_FILE:-}}
[ -z "$certificates" ] || arguments+=(--secret "id=ca.crt,src=$certificates")
# Newer engines would wrap the image together with a build record, but nodes must pull the image itself.
! docker build --help 2>/dev/null | grep -q -e --provenance || arguments+=(--provenance=false)
[ -z "${BASE_DIGEST:-}" ] || arguments+=(--label "org.opencontainers.image.base.digest=$BASE_DIGEST")
for variable in HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy; do
  [ -z "${!variable:-}" ] || arguments+=(--build-arg "$variable")
done

DOCKER_BUILDKIT=1 docker build --file docker/Dockerfile --tag "$image:$tag" \
  --build-arg "BASE_DIGEST=${BASE_DIGEST:-}" --build-arg "VARIANT=$variant" --build-arg "ENGINE=$engine" \
  --build-arg "TEXT=$text" \
  --build-arg "SOURCE_DATE_EPOCH=$epoch" \
  --label "org.opencontainers.image.version=$version" \
  --label "org.opencontainers.image.revision=$revision" \
  --label "org.opencontainers.image.created=$created" \
  "${arguments[@]}" . >&2
[ -z "$push" ] || docker push "$image:$tag" >&2

# The image's digest in the registry, which exists only after a push.
checksum=''
for known in $(docker image inspect --format '{{join .RepoDigests " "}}' "$image:$tag"); do
  [ "${known%@*}" != "$image" ] || checksum=${known#*@}
done
[ -n "$checksum" ] || echo "build: no checksum yet; a DDO needs the one printed by --push" >&2
entrypoint=$(docker image inspect --format '{{join .Config.Entrypoint " "}}' "$image:$tag")
printf '{"image": "%s", "tag": "%s", "checksum": "%s", "entrypoint": "%s"}\n' "$image" "$tag" "$checksum" "$entrypoint"
