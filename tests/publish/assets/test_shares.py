import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from ocean_assets import algorithm, publish
from unionveil.config import AnonymizeConfig
from unionveil.runs.manifest import ManifestBuilder
from unionveil.runs.records import redacted_record
from unionveil.runs.schema import RedactedRecord, RejectedRecord
from unionveil_ocean.assets.pricing import pricing_of
from unionveil_ocean.assets.shares import MOST_PAYEES, Sharing, allot, read_contributions, release
from unionveil_ocean.chain.journal import Journal
from unionveil_ocean.errors import InsufficientFunds, SettingError, TransactionFailed
from unionveil_ocean.sandbox.node import OfflineNode

WALLETS = [Account.from_key(number.to_bytes(32, "big")).address for number in range(100, 110)]


@given(st.dictionaries(st.text(min_size=1), st.integers(1, 10**6), min_size=1), st.integers(0, 10**24))
def test_parts_sum_up_exactly_and_are_fair(photos, total):
    parts = allot(photos, total)
    count = sum(photos.values())
    assert sum(parts.values()) == total
    assert all(
        abs(parts[wallet] - total * photos[wallet] / count) <= max(1, total * 1e-12) for wallet in photos
    )
    for one in photos:
        for other in photos:
            if photos[one] == photos[other]:
                assert abs(parts[one] - parts[other]) <= 1


def write(folder, *lines):
    file = folder / "contributions.csv"
    file.write_text("\n".join(lines) + "\n")
    return file


def test_accepted_photos_are_counted_in_manifests(tmp_path):
    builder = ManifestBuilder(AnonymizeConfig())
    for number in (1, 3):
        builder.add(
            RedactedRecord(
                input=number, output=f"{number}.jpg", sha256="0" * 64, size_bytes=1, format="jpeg",
                size_wh=(1, 1), frames=1, faces=(),
            )
        )  # fmt: skip
    builder.add(RejectedRecord(input=2, reason="unreadable", detail="It is cut off."))
    (tmp_path / "a.json").write_bytes(builder.to_bytes())
    file = write(
        tmp_path,
        "wallet,manifest,photos",
        f"{WALLETS[0]},a.json,",
        f"{WALLETS[0].lower()},,5",
        f"{WALLETS[1]},,0",
    )
    found = read_contributions(file)
    assert found.photos == {WALLETS[0]: 7}
    assert found.without == (WALLETS[1],)


def test_a_real_manifest_counts(tmp_path, make_anonymizer):
    anonymizer = make_anonymizer([(0.1, 0.1, 0.3, 0.3)])
    from samples import SCENES

    outcome = anonymizer((SCENES / "portrait.jpg").read_bytes())
    config = AnonymizeConfig()
    builder = ManifestBuilder(config)
    builder.add(redacted_record(1, "00001.jpg", outcome, config, None))
    builder.add(RejectedRecord(input=2, reason="unreadable", detail="no picture"))
    (tmp_path / "manifest.json").write_bytes(builder.to_bytes())
    assert read_contributions(write(tmp_path, "wallet,manifest", f"{WALLETS[0]},manifest.json")).photos == {
        WALLETS[0]: 1
    }


def test_every_wrong_row_is_named(tmp_path):
    file = write(
        tmp_path,
        "wallet,photos,manifest",
        "nobody,1,",
        f"{WALLETS[0]},-3,",
        f"{WALLETS[1]},,gone.json",
        f"{WALLETS[2]},,",
    )
    with pytest.raises(SettingError) as caught:
        read_contributions(file)
    for part in (
        "line 2",
        "not an address",
        "line 3",
        "'-3'",
        "line 4",
        "gone.json is not a manifest",
        "line 5",
        "either",
    ):
        assert part in str(caught.value)
    for lines in (("wallet,photos", f"{WALLETS[0]},1", f"{'x' * 140_000},1"), ("x" * 140_000, "a")):
        with pytest.raises(SettingError, match=r"line \d: field larger than field limit"):
            read_contributions(write(tmp_path, *lines))
    with pytest.raises(SettingError, match="photos must be a whole number"):
        read_contributions(write(tmp_path, "wallet,photos", f"{WALLETS[0]},{'9' * 5000}"))
    with pytest.raises(SettingError, match="columns"):
        read_contributions(write(tmp_path, "name,number", "a,1"))
    with pytest.raises(SettingError, match="no accepted photo"):
        read_contributions(write(tmp_path, "wallet,photos", f"{WALLETS[0]},0"))


@pytest.fixture
def sold(chain, tmp_path):
    asset = algorithm(pricing_of("3", None, chain))
    return publish(asset, chain, OfflineNode(), tmp_path / "asset.json")


def test_datatokens_are_given_once_also_when_interrupted(chain, sold, tmp_path):
    token = chain.contract("ERC20Template", sold.datatoken).functions
    parts = allot(dict.fromkeys(WALLETS[:3], 1), 10**19)
    path = tmp_path / "shares.json"

    class Interrupted(BaseException):
        pass

    for stop in (f"round 1: {WALLETS[0]}", f"round 1: {WALLETS[1]} sent"):

        def interrupt(step, stop=stop):
            if step == stop:
                raise Interrupted

        with pytest.raises(Interrupted), Journal(path, chain, interrupt) as journal:
            Sharing(journal, sold.datatoken).distribute(parts, 1)
    for _ in range(2):
        with Journal(path, chain) as journal:
            Sharing(journal, sold.datatoken).distribute(parts, 1)
    assert {wallet: token.balanceOf(wallet).call() for wallet in parts} == parts
    assert token.totalSupply().call() == 10**19
    with Journal(path, chain) as journal:
        Sharing(journal, sold.datatoken).distribute(parts, 2)
    assert token.totalSupply().call() == 2 * 10**19


@pytest.mark.parametrize(
    ("parts", "how"),
    [
        ({WALLETS[0]: 5, WALLETS[1]: 2, WALLETS[2]: 3}, "mint"),
        ({WALLETS[0]: 5, WALLETS[2]: 5}, "mint"),
        ({WALLETS[0]: 5, WALLETS[1]: 0}, "mint"),
        ({WALLETS[0]: 5, WALLETS[1]: 5}, "transfer"),
    ],
)
def test_a_round_that_differs_gives_nothing_to_anybody(chain, sold, tmp_path, parts, how):
    token = chain.contract("ERC20Template", sold.datatoken).functions
    with Journal(tmp_path / "s.json", chain) as journal:
        sharing = Sharing(journal, sold.datatoken)
        sharing.distribute({WALLETS[0]: 5, WALLETS[1]: 5}, 1)
        with pytest.raises(SettingError, match=r"nothing was signed; .* with --round 2$"):
            sharing.left(parts, 1, how)
        with pytest.raises(SettingError, match="round 1 was begun with other contributions"):
            sharing.distribute(parts, 1, how)
    assert token.totalSupply().call() == 10


def test_own_datatokens_are_transferred(chain, sold, tmp_path):
    token = chain.contract("ERC20Template", sold.datatoken).functions
    with Journal(tmp_path / "s.json", chain) as journal, pytest.raises(TransactionFailed, match="exceeds"):
        Sharing(journal, sold.datatoken).distribute({WALLETS[0]: 5}, 1, "transfer")
    chain.send(token.mint(chain.address, 5))
    with Journal(tmp_path / "s.json", chain) as journal:
        Sharing(journal, sold.datatoken).distribute({WALLETS[0]: 5}, 1, "transfer")
    assert token.balanceOf(WALLETS[0]).call() == 5


def buy(chain, sold):
    buyer = chain.as_account(chain.accounts[8])
    chain.mint_ocean(buyer.address, 10 * 10**18)
    exchange = buyer.contract("FixedRateExchange", chain.addresses.fixed_rate)
    ocean = buyer.contract("OceanToken", chain.addresses.ocean)
    buyer.send(ocean.functions.approve(exchange.address, 10 * 10**18))
    buyer.send(exchange.functions.buyDT(sold.exchange_id, 10**18, 10 * 10**18, "0x" + "0" * 40, 0))


@pytest.mark.slow
def test_a_splitter_divides_what_buyers_pay(chain, sold, tmp_path):
    ocean = chain.contract("OceanToken", chain.addresses.ocean).functions
    path = tmp_path / "shares.json"
    photos = {WALLETS[3]: 1, WALLETS[4]: 2}
    before = {wallet: ocean.balanceOf(wallet).call() for wallet in WALLETS}

    def gained():
        return {
            w: ocean.balanceOf(w).call() - before[w]
            for w in WALLETS
            if ocean.balanceOf(w).call() != before[w]
        }

    with Journal(path, chain) as journal:
        splitter = Sharing(journal, sold.datatoken).set_splitter(photos)
    token = chain.contract("ERC20Template", sold.datatoken).functions
    assert token.getPaymentCollector().call() == splitter
    buy(chain, sold)
    # One wei stays in the contract; the exchange keeps nothing.
    assert release(chain, splitter, sold.datatoken, chain.addresses.ocean) == 3 * 10**18 - 1
    assert sum(gained().values()) == 3 * 10**18 - 1
    assert gained()[WALLETS[3]] == pytest.approx(10**18, abs=1)

    # Shares change: what was earned before is divided by the old ones.
    buy(chain, sold)
    later = {WALLETS[4]: 1, WALLETS[5]: 3}
    with Journal(path, chain) as journal:
        assert Sharing(journal, sold.datatoken).set_splitter(later, chain.addresses.ocean) == splitter
    contract = chain.contract("Splitter", splitter).functions
    assert {wallet: contract.shares(wallet).call() for wallet in contract.getPayees().call()} == later
    assert gained()[WALLETS[3]] == pytest.approx(2 * 10**18, abs=2)
    assert WALLETS[5] not in gained()
    buy(chain, sold)
    release(chain, splitter, sold.datatoken, chain.addresses.ocean)
    assert gained()[WALLETS[5]] == pytest.approx(3 * 10**18 * 3 // 4, abs=2)
    assert gained()[WALLETS[3]] == pytest.approx(2 * 10**18, abs=2)


@pytest.mark.slow
def test_as_many_payees_as_are_allowed_fit_into_a_block(chain, sold, tmp_path):
    wallets = [
        Account.from_key(number.to_bytes(32, "big")).address for number in range(1000, 1000 + MOST_PAYEES)
    ]
    with Journal(tmp_path / "s.json", chain) as journal:
        splitter = Sharing(journal, sold.datatoken).set_splitter(dict.fromkeys(wallets, 1))
    buy(chain, sold)
    call = chain.contract("Splitter", splitter).functions.release(chain.addresses.ocean)
    release(chain, splitter, sold.datatoken, chain.addresses.ocean)
    assert call.call() == []
    last = chain.web3.eth.get_block("latest")
    assert last["gasUsed"] < 15_000_000


def test_too_many_payees_are_told_another_way(chain, sold, tmp_path):
    photos = {f"0x{number:040x}": 1 for number in range(1, MOST_PAYEES + 2)}
    with (
        Journal(tmp_path / "s.json", chain) as journal,
        pytest.raises(SettingError, match="datatokens instead"),
    ):
        Sharing(journal, sold.datatoken).set_splitter(photos)


@pytest.mark.slow
def test_a_command_shows_a_plan_and_gives(tmp_path, monkeypatch, capsys):
    import sys

    from unionveil_ocean.commands import shares as command

    file = write(tmp_path, "wallet,photos", f"{WALLETS[0]},1", f"{WALLETS[1]},2")

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["shares.py", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            command.main()
        return ended.value.code or 0, capsys.readouterr()

    code, shown = run("plan", file, "--tokens", "10")
    assert code == 0
    assert "66.67%" in shown.out
    assert "total" in shown.out
    for tokens in ("0", "much", "1e-30"):
        code, shown = run("plan", file, "--tokens", tokens)
        assert code == 2
        assert "--tokens" in shown.err
    code, shown = run("mint", file, "--tokens", "10")
    assert code == 0
    assert "given      10 datatokens" in shown.out
    code, shown = run("transfer", file, "--tokens", "10")
    assert code == 2
    assert "has 0 UVEIL and needs 10" in shown.err
    assert InsufficientFunds.__name__ not in shown.err
