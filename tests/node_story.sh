#!/usr/bin/env bash
# The story of a data union against any Ocean node and chain, by the commands alone: PASS, FAIL or SKIP per step.
#
#   tests/node_story.sh NODE_URL RPC
#
# It publishes for real: an algorithm, a data set, their next versions and jobs, all paid by these accounts.
#   KEYSTORE            encrypted keystore of the account that publishes; needs coins for gas
#   BUYER_KEYSTORE      of the account that runs jobs                        [default: KEYSTORE]
#   KEYSTORE_PASSWORD   of both
#   ALGORITHM_URL       where the node fetches algorithm/main.py of this checkout
#   PHOTOS_URL          where the node fetches an archive of photos
#   IMAGE_CHECKSUM      sha256:... of an image that the node can pull        [default: metadata/algorithm.json]
#   IMAGE, IMAGE_TAG    its name and tag                                     [default: metadata/algorithm.json]
#   ADDRESS_FILE        Ocean's contracts on a chain of your own             [default: those of ocean-contracts]
#   PRICE, BASE_TOKEN   of both assets                                       [default: free]
#   PAID=1              run a paid job too; the buyer needs the node's token
#   ACCEPT_OPEN=1       go on although anybody may read originals there: test photos only
#   OUT                 folder for journals, results and logs                [default: a new one]
#   PYTHON              with `pip install '.[ocean]'`                        [default: python3]
set -uo pipefail

usage() { sed -n '2,/^set /p' "$0" | sed '$d;s/^# \{0,1\}//'; }

if [ $# -ne 2 ]; then
    usage
    exit 2
fi
for name in KEYSTORE KEYSTORE_PASSWORD ALGORITHM_URL PHOTOS_URL; do
    if [ -z "${!name:-}" ]; then
        echo "node_story: set $name; tests/node_story.sh without arguments shows all settings" >&2
        exit 2
    fi
done

export NODE_URL=$1 RPC=$2 KEYSTORE_PASSWORD
HERE=$(cd "$(dirname "$0")/.." && pwd)
PYTHON=${PYTHON:-python3}
BUYER_KEYSTORE=${BUYER_KEYSTORE:-$KEYSTORE}
OUT=${OUT:-$(mktemp -d)}
mkdir -p "$OUT"

chain_id() {
    "$PYTHON" - <<'PYTHON_END'
import json, os, urllib.request

body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}).encode()
request = urllib.request.Request(os.environ["RPC"], body, {"content-type": "application/json", "user-agent": "curl"})
print(int(json.load(urllib.request.urlopen(request, timeout=30))["result"], 16))
PYTHON_END
}

NETWORK=$(chain_id 2>/dev/null) || {
    echo "node_story: the RPC does not name its chain; check it" >&2
    exit 2
}

number=0 failed=0

command_of() {  # a command of publish/, with what all of them take
    local name=$1 keystore=$2
    shift 2
    "$PYTHON" "$HERE/publish/$name.py" "$@" --network "$NETWORK" --keystore "$keystore" \
        --journal-dir "$OUT/journals" --yes
}

step() {  # step NAME CODE PATTERN COMMAND...: passes with this exit code and a line that fits the pattern
    local name=$1 code=$2 pattern=$3 begun=$SECONDS log found
    shift 3
    number=$((number + 1))
    log=$(printf '%s/%02d.log' "$OUT" "$number")
    "$@" >"$log" 2>&1 </dev/null
    found=$?
    if [ "$found" -eq "$code" ] && grep -Eq -- "$pattern" "$log" && ! grep -q Traceback "$log"; then
        echo "PASS  $name ($((SECONDS - begun)) s)"
        return 0
    fi
    failed=$((failed + 1))
    echo "FAIL  $name: exit code $found instead of $code, or no line with '$pattern'; $log ends with:"
    tail -n 3 "$log" | sed 's/^/      /'
    return 1
}

skip() { echo "SKIP  $1: $2"; }

finish() {
    echo "$failed of $number steps failed; logs, journals and results in $OUT"
    [ "$failed" -eq 0 ]
    exit
}

did_in() { grep -Eo '"did": "did:op:[0-9a-f]{64}' "$1" | grep -Eo 'did:op:.*' | head -n 1; }
log_now() { printf '%s/%02d.log' "$OUT" "$number"; }

priced=(--price "${PRICE:-free}" ${BASE_TOKEN:+--base-token "$BASE_TOKEN"})
image=(${IMAGE_CHECKSUM:+--checksum "$IMAGE_CHECKSUM"} ${IMAGE:+--image "$IMAGE"} ${IMAGE_TAG:+--tag "$IMAGE_TAG"})

register() { command_of register "$KEYSTORE" "${priced[@]}" "${image[@]}" "$@"; }
register_dataset() { command_of register_dataset "$KEYSTORE" "${priced[@]}" --file-url "$PHOTOS_URL" "$@"; }
trust() { command_of trust "$KEYSTORE" "$@"; }
run_job() { command_of run_job "$BUYER_KEYSTORE" "$@"; }
check_trust() { "$PYTHON" "$HERE/publish/trust.py" check "$1" --node-url "$NODE_URL"; }

# -- the environments ------------------------------------------------------------------------------------
step "list the environments" 0 . run_job --list-environments || finish
has_free=$(grep -c "^  free, " "$(log_now)")
has_paid=$(grep -c "^  paid, " "$(log_now)")

# -- the algorithm ---------------------------------------------------------------------------------------
step "refuse a file that the node cannot read" 2 "cannot read file 1|refuses" \
    register --file-url "${ALGORITHM_URL%%\?*}.absent"
step "register the algorithm" 0 '"did": "did:op:' register --file-url "$ALGORITHM_URL" --json || finish
algorithm=$(did_in "$(log_now)")
step "register it again: nothing happens" 0 "already published" register --file-url "$ALGORITHM_URL"
step "refuse a mistaken rerun" 2 "was already published, with another" \
    register --file-url "$ALGORITHM_URL" --timeout 77
step "and the right command still works" 0 "already published" register --file-url "$ALGORITHM_URL"

# -- the data set ----------------------------------------------------------------------------------------
trusted=(--algorithm "$algorithm" --algorithm-file "$HERE/algorithm/main.py" --encrypt-ddo)
if register_dataset "${trusted[@]}" --json >"$OUT/dataset.log" 2>&1 </dev/null; then
    step "register a hidden data set that trusts it" 0 '"did": "did:op:' cat "$OUT/dataset.log"
elif grep -q "anybody could read the original photos" "$OUT/dataset.log"; then
    step "refuse a node that lets anybody read originals" 0 "takes? a node without free compute|access lists" \
        cat "$OUT/dataset.log"
    if [ -z "${ACCEPT_OPEN:-}" ]; then
        skip "the rest" "free compute of this node is open; ACCEPT_OPEN=1 goes on with test photos"
        finish
    fi
    trusted+=(--anybody-may-read-originals)
    step "register a hidden data set that trusts it" 0 '"did": "did:op:' \
        register_dataset "${trusted[@]}" --json || finish
else
    step "register a hidden data set that trusts it" 0 '"did": "did:op:' cat "$OUT/dataset.log" || finish
fi
dataset=$(did_in "$(log_now)")
datatoken=$(grep -Eo '"datatoken": "0x[0-9a-fA-F]{40}' "$(log_now)" | grep -Eo '0x.*' | head -n 1)
step "its trust fits" 0 "$algorithm: fits" check_trust "$dataset"
step "trust it again: nothing to change" 0 "nothing to change" trust add "$dataset" "$algorithm"
step "a new version keeps the DID" 0 "$dataset" register_dataset "${trusted[@]}" --update --timeout 86400 --json
step "the same version again: nothing is published" 0 "nothing has changed" \
    register_dataset "${trusted[@]}" --update --timeout 86400

# -- jobs ------------------------------------------------------------------------------------------------
assets=(--algorithm "$algorithm" --dataset "$dataset")
jobs() {  # jobs KIND
    step "a $1 job, verified" 0 "verified: [0-9]+ outputs?" \
        run_job "${assets[@]}" "--$1" --seconds 600 --set method=pixelate -o "$OUT/$1"
    step "the same $1 job again starts nothing" 0 "was already started" \
        run_job "${assets[@]}" "--$1" --seconds 600 --set method=pixelate -o "$OUT/$1"
    step "refuse another job's folder" 2 "holds the results of job" \
        run_job "${assets[@]}" "--$1" --seconds 600 --set method=median -o "$OUT/$1"
}
if [ "$has_free" -gt 0 ]; then jobs free; else skip "a free job" "the node offers none"; fi
if [ -z "${PAID:-}" ]; then
    skip "a paid job" "PAID=1 runs it"
elif [ "$has_paid" -eq 0 ]; then
    skip "a paid job" "the node takes no payment on chain $NETWORK"
else
    jobs paid
fi

# -- shares ----------------------------------------------------------------------------------------------
printf 'wallet,photos\n0x%040d,2\n0x%040d,1\n' 11 22 >"$OUT/contributions.csv"
mint() {
    command_of shares "$KEYSTORE" mint "$OUT/contributions.csv" --tokens 3 --datatoken "$datatoken"
}
step "mint shares to the contributors" 0 "given" mint
step "the same round again pays nothing" 0 "given" mint

# -- the end ---------------------------------------------------------------------------------------------
step "deprecate the data set" 0 "deprecated: 0x" \
    command_of register_dataset "$KEYSTORE" --state deprecated
step "deprecated, it is not offered" 2 "not offered any more|has no asset" \
    run_job "${assets[@]}" --set method=fill -o "$OUT/deprecated"
finish
