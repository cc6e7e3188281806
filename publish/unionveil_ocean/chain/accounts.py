"""The key comes from an encrypted keystore file or an environment variable, nowhere else.

It is never an argument, which the shell's history and the process list would keep, and never printed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from ..errors import MissingExtra, SettingError

try:
    from eth_account import Account
    from eth_account.signers.local import LocalAccount
except ModuleNotFoundError as error:
    raise MissingExtra("web3") from error


KEY_VARIABLE = "PRIVATE_KEY"
"""Environment variable with the private key, hexadecimal; the name that ocean-cli uses."""

PASSWORD_VARIABLE = "KEYSTORE_PASSWORD"  # noqa: S105
"""Environment variable with the keystore's password, for scripts."""


def load_account(
    keystore: Path | None, ask_password: Callable[[], str], environment: Mapping[str, str] = os.environ
) -> LocalAccount:
    """The account that signs.

    Args:
        keystore: encrypted keystore file (Web3 Secret Storage, as geth and most wallets write it); None reads
            the key from the environment.
        ask_password: asks for the password; called only if the environment has no password.
        environment: variables.

    Raises:
        SettingError: no key, a damaged file or key, or a wrong password. The message contains none of them.
    """
    if keystore is None:
        key = environment.get(KEY_VARIABLE, "").strip()
        if not key:
            raise SettingError(
                f"no key to sign with: give an encrypted keystore with --keystore FILE, or set {KEY_VARIABLE}"
            )
        return _account(key, f"{KEY_VARIABLE} is not a private key: 64 hexadecimal digits are needed")
    try:
        encrypted = json.loads(keystore.read_text("utf-8"))
    except (OSError, ValueError):
        # Not chained: a parser's message quotes the text, and someone may have named a file with a bare key.
        raise SettingError(f"{keystore} cannot be read as an encrypted keystore file") from None
    password = environment.get(PASSWORD_VARIABLE)
    if password is None:
        password = ask_password()
    try:
        opened = Account.decrypt(encrypted, password)
    except ValueError:
        raise SettingError(
            f"the password does not open {keystore}, or the file is not an encrypted keystore"
        ) from None
    except (KeyError, TypeError, NotImplementedError):
        raise SettingError(f"{keystore} is not an encrypted keystore that can be opened") from None
    return _account(bytes(opened), f"{keystore} holds no private key")


def new_account() -> LocalAccount:
    """A new account whose key is stored nowhere."""
    account: LocalAccount = Account.create()
    return account


def _account(key: str | bytes, complaint: str) -> LocalAccount:
    try:
        account: LocalAccount = Account.from_key(key)
    except Exception:
        raise SettingError(complaint) from None
    return account
