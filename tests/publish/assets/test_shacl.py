"""Our models against the SHACL shapes that nodes use: npm @oceanprotocol/ddo-js."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess

import pytest

from npm import npm_folder
from ocean_assets import algorithm, build_ddo, closed_compute, dataset
from unionveil_ocean.assets.asset import credentials_of
from unionveil_ocean.assets.ddo import TrustedAlgorithm, parse_ddo
from unionveil_ocean.errors import InvalidDDO

pytestmark = [pytest.mark.node, pytest.mark.slow]

NFT = "0x57967030e9f328CeC0Eb5B6bb2D15013d82eBcEc"
TOKEN = "0x657422dD190f528bC93B1Fd8cDDa784e591EfC7C"

PROGRAM = """
import { validateDDO, DDOManager } from '@oceanprotocol/ddo-js'
import { readFileSync } from 'fs'
console.log = console.error
const answers = []
for (const ddo of JSON.parse(readFileSync(0, 'utf8'))) {
  let valid = false, issues = {}, did = null
  try { [valid, issues] = await validateDDO(ddo) } catch (error) { issues = { thrown: [String(error)] } }
  try { did = DDOManager.getDDOClass(ddo).makeDid(ddo.nftAddress, String(ddo.chainId)) } catch (error) {}
  answers.push({ valid, issues, did })
}
process.stdout.write(JSON.stringify(answers))
"""


def ask(ddos):
    folder = npm_folder("@oceanprotocol/ddo-js")
    program = folder / "validate.mjs"
    program.write_text(PROGRAM)
    done = subprocess.run(
        [str(shutil.which("node")), program], input=json.dumps(ddos).encode(), capture_output=True, cwd=folder
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return json.loads(done.stdout)


def examples():
    trusted = TrustedAlgorithm(
        did="did:op:" + "1" * 64,
        files_checksum="2" * 64,
        container_section_checksum="3" * 64,
        service_id="4" * 64,
    )
    plain = build_ddo(algorithm(), NFT, TOKEN, 1, "0x1234", "http://127.0.0.1:8001")
    closed = build_ddo(dataset(closed_compute([trusted])), NFT, TOKEN, 137, "0x1234", "https://node.example")
    listed = plain.model_copy(update={"credentials": credentials_of((NFT,), (TOKEN,))})
    tagged = build_ddo(
        algorithm(tags=["a", "b"], links=["https://example.org"]),
        NFT,
        TOKEN,
        1,
        "0x12",
        "http://node.example",
    )
    return [ddo.as_dict() for ddo in (plain, closed, listed, tagged)]


def test_what_we_publish_they_accept():
    ddos = examples()
    for ddo, answer in zip(ddos, ask(ddos), strict=True):
        assert answer["valid"], answer["issues"]
        assert answer["did"] == ddo["id"]


def paths(value, path=()):
    if isinstance(value, dict):
        for key, part in value.items():
            yield (*path, key)
            yield from paths(part, (*path, key))
    elif isinstance(value, list):
        for number, part in enumerate(value[:1]):
            yield (*path, number)
            yield from paths(part, (*path, number))


def changed(ddo, path, value):
    copied = copy.deepcopy(ddo)
    place = copied
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return copied


def test_what_they_refuse_we_refuse_too():
    plain, closed, listed, _ = examples()
    broken = [
        changed(ddo, path, value)
        for ddo in (plain, closed, listed)
        for path in paths(ddo)
        if path[0] not in ("@context", "version") and "additionalInformation" not in path
        for value in (None, 7)
    ]
    refused = 0
    for ddo, answer in zip(broken, ask(broken), strict=True):
        if answer["valid"]:
            continue
        refused += 1
        with pytest.raises(InvalidDDO):  # else ours accepts what a node refuses
            parse_ddo(ddo)
    # Their shapes leave much open; those that they name are many all the same.
    assert refused > 40
