"""Whose upload is looked into next, on every database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from app.catalog.states import UploadKind
from tests.support.shop import PROBLEM, Shop


def test_uploads_are_looked_into_in_turns_between_teams(shop: Shop, tmp_path: Path) -> None:
    while (left := shop.uploads.claim_next("w")) is not None:
        shop.uploads.refuse(left, PROBLEM)
    ours = [shop.upload(UploadKind.CHECKPOINT, ready=False).id for _ in range(4)]
    others = Shop(shop.database, tmp_path / "others", shop.store)
    theirs = others.upload(UploadKind.DATASET, ready=False).id
    with ThreadPoolExecutor(2) as pool:
        claims = [*filter(None, pool.map(lambda number: shop.uploads.claim_next(f"w{number}"), range(2)))]
    assert {claim.upload_id for claim in claims} == {ours[0], theirs}
    third = shop.uploads.claim_next("w")
    assert third is not None
    assert (third.upload_id, third.team) == (ours[1], shop.team)
    assert not shop.uploads.waits(skip=[shop.team])
    assert shop.uploads.claim_next("w", skip=[shop.team]) is None
    for claim in (*claims, third):
        shop.uploads.refuse(claim, PROBLEM)
    again = others.upload(UploadKind.DATASET, ready=False).id
    order = [found.upload_id for _ in range(3) if (found := shop.uploads.claim_next("w")) is not None]
    assert order == [again, *ours[2:]]
