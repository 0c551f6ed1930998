from __future__ import annotations

from scripts.emulator.ledger import Account, Ledger, fingerprint


def test_charges_may_overdraw() -> None:
    account = Account(used=8)
    assert account.charge(5, quota=10) == {
        "x-requests-remaining": "-3",
        "x-requests-used": "13",
        "x-requests-last": "5",
    }


def test_accounts_are_shown_by_fingerprint() -> None:
    ledger = Ledger()
    ledger.account("secret").charge(2, 10)
    ledger.account("secret").admit(0.0, 0)
    assert ledger.document(10) == {fingerprint("secret"): {"used": 2, "remaining": 8, "requests": 1}}
    assert "secret" not in repr(ledger.document(10))
