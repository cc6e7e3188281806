"""Ocean's escrows: every release of the contracts deployed a new one, and nodes use that of their release.

Source: `address.json` in the packages `ocean-contracts` of PyPI. `deposit`, `authorize`, `getUserFunds`,
`getAuthorizations` and `withdraw` have the same ABI in all of them (`artifacts/Escrow.json`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

RELEASED_ESCROWS: Final[Mapping[int, tuple[str, ...]]] = {
    # By chain id: of ocean-contracts 3.0 and 3.1, of 2.9 and 2.10, of 2.6 to 2.8.
    1: (
        "0xA5F990915E2971d5311D468Ba7576B783C490694",
        "0x10E71722c34B16440D6889287F3Ed77A74f809BE",
        "0xC98C71A9efeF2a940c73B7986f1D8469f1815F94",
    ),
    10: (
        "0x41cee92fEA5E07F8E3D1Eaf9A19dE3D83e24FA53",
        "0xA4E108a4fa07C931cFe4bF2c1c6f9C1579d5a819",
        "0x4dD281EB67DED07E76E413Df16176D66ae69e240",
    ),
    8453: (
        "0x3E85e7Cb15880b6d4871092E74bF65CE03E8448D",
        "0xfa48673a7C36A2A768f89AC1ee8C355D5c367B02",
        "0x43eC0a34E1b70C7f8E579ab866F37642777727E7",
    ),
    # Oasis Sapphire: 3.0 and 3.1 kept that of 2.9.
    23294: (
        "0x86F2BB9F8f18B5a836b342199a3eC89F282E4018",
        "0x0Ee8b03Dafc868a0899ebE1c12d734D53A957250",
    ),
    11155111: (
        "0x4Fd5ECf4Af8490418462A7d80e90A0530eFb9ac5",
        "0x98307499910691aaA93A2D753A02ca5d908D3Cf7",
        "0xd09789Ce05aa0f6feFc18315de4964Db07Cc0618",
    ),
    11155420: (
        "0x973e69303259B0c2543a38665122b773D28405fB",
        "0x7842Fa3B2d87Ff1cd52C4152382f7C4B3406E5A6",
        "0x23A8b2D7176485a6349e4830605F323f31019333",
    ),
}
"""Checksum addresses."""
