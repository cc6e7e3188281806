import pickle

import pytest

from unionveil_ocean import errors

FACTS = {
    "SettingError": ("a sentence",),
    "MissingExtra": ("web3",),
    "InvalidDDO": (["one", "two"],),
    "NetworkMismatch": (1, 137),
    "ChainError": ("a sentence",),
    "InsufficientFunds": ("0xabc", 2 * 10**18, 10**18, "ETH"),
    "NodeError": ("http://127.0.0.1:8001", 500, "broken"),
    "TransactionFailed": ("0x12", "no", "mint"),
    "IndexingTimeout": ("did:op:12", 3.0),
    "JournalError": ("a sentence",),
    "PublishError": ("a sentence",),
    "OrderError": ("a sentence",),
    "UntrustedAlgorithm": ("did:op:1", "did:op:2", "another image"),
    "JobFailed": ("1234", "no memory"),
}


@pytest.mark.parametrize("name", errors.__all__)
def test_errors_survive_pickling_with_their_facts(name):
    kind = getattr(errors, name)
    error = kind(*FACTS[name])
    back = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(back) is kind
    assert str(back) == str(error)
    assert vars(back) == vars(error)
    assert name in (errors.__doc__ or "")
