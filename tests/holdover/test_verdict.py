import pytest

from holdover.exchange import Response
from holdover.provider_settings import ErrorSettings
from holdover.verdict import meaning, reads_bodies


def rule(means, **told):
    return ErrorSettings.model_validate({"means": means, **told})


CODES = [
    rule("quota", pointer="/error_code", values=["OUT_OF_USAGE_CREDITS"]),
    rule("credential", pointer="/error_code", values=["INVALID_KEY", "DEACTIVATED_KEY"]),
    rule("rate", status=[403], header="X-Mashery-Error-Code", values=["ERR_403_DEVELOPER_OVER_QPS"]),
    rule("error", status=[200], pointer="/errors"),
    rule("credential", status=[401]),
]


def told(status, body=b"", *fields, rules=CODES):
    return meaning(rules, Response(status, fields, body), body)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b"[]", None),
        (200, b"{}", None),
        (500, b"", None),
        (400, b"", None),
        (429, b"", "rate"),
        (404, b"", "absent"),
        (410, b"", "absent"),
        (422, b'{"error_code": "OTHER"}', "absent"),
        (401, b"", "credential"),
        # The body goes before the status, whatever that is.
        (401, b'{"error_code": "OUT_OF_USAGE_CREDITS"}', "quota"),
        (200, b'{"error_code": "OUT_OF_USAGE_CREDITS"}', "quota"),
        (429, b'{"error_code": "OUT_OF_USAGE_CREDITS"}', "quota"),
        (404, b'{"error_code": "INVALID_KEY"}', "credential"),
        (401, b'{"error_code": "out_of_usage_credits"}', "credential"),
        (401, b'{"message": "OUT_OF_USAGE_CREDITS"}', "credential"),
        (500, b'{"error_code": ["INVALID_KEY"]}', None),
    ],
)
def test_the_first_rule_that_holds_counts_then_the_status(status, body, expected):
    assert told(status, body) == expected


@pytest.mark.parametrize("nothing", ["null", "false", '""', "[]", "{}", "0"])
def test_what_says_nothing_is_no_error(nothing):
    assert told(200, b'{"errors": %s}' % nothing.encode()) is None


@pytest.mark.parametrize("something", ['{"token": "missing"}', '["x"]', '"x"', "true", "1"])
def test_what_says_something_is_one(something):
    body = b'{"errors": %s}' % something.encode()
    assert told(200, body) == "error"
    assert told(500, body) is None, "the rule is for a status of 200"


def test_a_field_must_be_there_and_begin_as_the_rule_says():
    assert told(403, b"", ("x-mashery-error-code", "ERR_403_DEVELOPER_OVER_QPS_LIMIT")) == "rate"
    assert told(403, b"", ("X-Mashery-Error-Code", "ERR_403_NOT_AUTHORIZED")) is None
    assert told(403, b"") is None
    assert told(401, b"", ("X-Mashery-Error-Code", "ERR_403_DEVELOPER_OVER_QPS")) == "credential"
    anything = [rule("rate", header="X-Limited")]
    assert told(200, b"", ("x-limited", ""), rules=anything) == "rate"
    assert told(200, b"", rules=anything) is None


def test_all_that_a_rule_names_must_hold():
    both = [rule("rate", header="X-Kind", pointer="/code", values=["7"])]
    body = b'{"code": 7}'
    assert told(400, body, ("X-Kind", "anything"), rules=both) == "rate"
    assert told(400, body, rules=both) is None
    assert told(400, b'{"code": 8}', ("X-Kind", "7"), rules=both) is None


def test_values_are_compared_as_text():
    rules = [rule("error", pointer="/ok", values=["false"]), rule("quota", pointer="/code", values=["12"])]
    assert told(200, b'{"ok": false}', rules=rules) == "error"
    assert told(200, b'{"ok": "false"}', rules=rules) == "error"
    assert told(200, b'{"ok": true}', rules=rules) is None
    assert told(200, b'{"code": 12}', rules=rules) == "quota"


def test_any_place_that_the_pointer_names_may_say_so():
    rules = [rule("quota", pointer="/errors/*/code", values=["SPENT"])]
    assert told(400, b'{"errors": [{"code": "A"}, {"code": "SPENT"}]}', rules=rules) == "quota"
    assert told(400, b'{"errors": [{"code": "A"}, "SPENT"]}', rules=rules) is None


def test_a_rule_that_names_nothing_never_holds():
    assert told(500, b'{"a": 1}', rules=[rule("credential")]) is None


def test_whether_a_body_is_looked_into():
    assert reads_bodies(CODES, 500)
    assert not reads_bodies([rule("quota", status=[401], pointer="/code")], 500)
    assert reads_bodies([rule("quota", status=[401], pointer="/code")], 401)
    assert not reads_bodies([rule("quota", status=[401]), rule("rate", header="X")], 401)
