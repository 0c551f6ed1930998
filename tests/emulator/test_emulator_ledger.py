from __future__ import annotations

from scripts.emulator.ledger import Account, Ledger, fingerprint


def test_no_more_than_the_rate_in_any_second() -> None:
    account = Account()
    assert [account.admit(at, 3) for at in (0.0, 0.1, 0.9, 0.95, 0.99)] == [True, True, True, False, False]
    assert [account.admit(at, 3) for at in (1.0, 1.05, 1.1)] == [True, False, True]
    assert account.requests == 8


def test_rate_0_is_no_limit() -> None:
    account = Account()
    assert all(account.admit(0.0, 0) for _ in range(1000))


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
