"""The published parts of an asset, and the DDO made from them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..chain.addresses import checksum_address
from ..errors import InvalidDDO, SettingError
from ..jsjson import JsonObject, stringify
from .ddo import CONTEXT, DDO, Compute, CredentialItem, Credentials, Metadata, Place, Service, did_of
from .pricing import Pricing

_STAND_IN = "0x" + "00" * 19 + "01"


@dataclass(frozen=True)
class Asset:
    """Everything published about an asset, except addresses and encrypted files.

    Attributes:
        metadata: human-readable.
        files: fetched by the node, in the form that it expects; secret.
        service_type: "access" hands the files out, "compute" only lets algorithms see them.
        pricing: cost of one order.
        credentials: wallets that may order.
        compute: algorithms that may run, for a data set.
        timeout_seconds: validity of an order; 0 is forever.
        symbol: of the datatoken.
    """

    metadata: Metadata
    files: tuple[JsonObject, ...]
    service_type: Literal["access", "compute"]
    pricing: Pricing
    credentials: Credentials | None = None
    compute: Compute | None = None
    timeout_seconds: int = 0
    symbol: str = "UVEIL"

    @property
    def token_name(self) -> str:
        """Name of data NFT and datatoken: the part of the name before a colon, if any, in at most 31 bytes.

        A longer text takes two more storage slots in both contracts, 7 % of the gas of a publication.
        """
        name = self.metadata.name.partition(":")[0].strip() or self.metadata.name.strip()
        return name.encode()[:31].decode("utf-8", "ignore").strip()

    def digest(self) -> str:
        """Hexadecimal SHA-256 of everything but its times and price."""
        timeless = self.metadata.model_dump(by_alias=True, exclude_none=True, exclude={"created", "updated"})
        parts = [
            timeless,
            [dict(file) for file in self.files],
            self.service_type,
            self.credentials.model_dump(by_alias=True, exclude_none=True) if self.credentials else None,
            self.compute.model_dump(by_alias=True, exclude_none=True) if self.compute else None,
            self.timeout_seconds,
        ]
        return hashlib.sha256(stringify(parts).encode()).hexdigest()

    def service_id(self, datatoken: str) -> str:
        """An id that all versions of an asset share: trusting data sets refer to it."""
        return hashlib.sha256(f"{checksum_address(datatoken)}/{self.service_type}".encode()).hexdigest()

    def draft(self, chain_id: int, endpoint: str, place: Place | None = None) -> DDO:
        """The DDO, with stand-ins for encrypted files and, without a place, for addresses.

        Checks everything that can be checked before anything is signed.

        Args:
            chain_id: of the chain.
            endpoint: URL of the node.
            place: of an existing asset.

        Raises:
            InvalidDDO: names every broken rule.
        """
        if not self.files:
            raise InvalidDDO(
                ["files: an Ocean asset has at least one file; give its address with --file-url"]
            )
        place = place or Place(_STAND_IN, _STAND_IN, self.service_id(_STAND_IN))
        service = Service.model_construct(
            id=place.service_id,
            type=self.service_type,
            files="0x00",
            datatoken_address=place.datatoken,
            service_endpoint=endpoint,
            timeout=self.timeout_seconds,
            compute=self.compute,
        )
        draft = DDO.model_construct(
            context=[CONTEXT],
            id=did_of(place.nft, chain_id),
            chain_id=chain_id,
            nft_address=place.nft,
            metadata=self.metadata,
            services=[service],
            credentials=self.credentials,
        )
        return draft.revised()


def credentials_of(allow: Sequence[str], deny: Sequence[str]) -> Credentials | None:
    """Lists of wallets that may, or may not, use the asset; None without any.

    Raises:
        SettingError: one is not an address, or is in both lists.
    """
    try:
        allowed, denied = (sorted({checksum_address(address) for address in who}) for who in (allow, deny))
    except ValueError as error:
        raise SettingError(f"allow and deny lists: {error}") from error
    both = set(allowed) & set(denied)
    if both:
        raise SettingError(f"allow and deny lists: {', '.join(sorted(both))} is in both")
    if not allowed and not denied:
        return None
    return Credentials(allow=_item(allowed), deny=_item(denied))


def _item(addresses: list[str]) -> list[CredentialItem] | None:
    # Nodes compare in lower case; ocean.js and the market write it so.
    return [CredentialItem(type="address", values=[a.lower() for a in addresses])] if addresses else None
