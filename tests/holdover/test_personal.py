"""Which names of header fields tell who asks."""

import pytest

from holdover.personal import CREDENTIAL_LIKE, is_personal

TELLING = (
    "authorization proxy-authorization cookie cookie2 dpop signature signature-input client-cert "
    "x-forwarded-client-cert x-api-key x_api_key x-apikey apikey x-apisports-key x-rapidapi-key x-app-key "
    "x-appkey ocp-apim-subscription-key x-goog-api-key x-mbx-apikey ok-access-sign ok-access-passphrase "
    "x-access-token x-amz-security-token x-authtoken x-csrf-token x-session x-session-id x-sessionid "
    "x-sessiontoken x-sid x-jwt cf-access-jwt-assertion x-oauth-token x-amzn-oidc-data x-client-secret x-password "
    "x-credentials x-user-id x-userid x-user-uuid x-username x-user-name x-user x-forwarded-user remote-user "
    "x-account-id x-customer-id x-client-id x-tenant x-forwarded-email idempotency-key"
).split()
ANYBODYS = (
    "accept accept-charset accept-encoding accept-language access-control-request-headers "
    "access-control-request-method age alt-used attribution-reporting-eligible available-dictionary baggage "
    "cache-control cdn-loop connection content-length content-type date device-memory dictionary-id dnt downlink "
    "dpr early-data ect expect forwarded host if-match if-modified-since if-none-match if-range "
    "if-unmodified-since keep-alive max-forwards origin pragma priority proxy-connection purpose range referer "
    "rtt save-data sec-browsing-topics sec-ch-dpr sec-ch-prefers-color-scheme sec-ch-ua sec-ch-ua-arch "
    "sec-ch-ua-bitness sec-ch-ua-form-factors sec-ch-ua-full-version-list sec-ch-ua-mobile sec-ch-ua-model "
    "sec-ch-ua-platform sec-ch-ua-platform-version sec-ch-viewport-width sec-fetch-dest sec-fetch-mode "
    "sec-fetch-site sec-fetch-storage-access sec-fetch-user sec-gpc sec-purpose sentry-trace service-worker "
    "service-worker-navigation-preload te traceparent tracestate trailer transfer-encoding upgrade "
    "upgrade-insecure-requests user-agent via viewport-width warning width x-amzn-trace-id x-b3-sampled "
    "x-b3-traceid x-client-data x-client-trace-id x-correlation-id x-datadog-trace-id x-forwarded-for "
    "x-forwarded-host x-forwarded-proto x-real-ip x-request-id x-requested-with x-user-agent "
    "apollographql-client-name x-author x-authority x-keyboard x-design x-certain sec-websocket-key"
).split()


@pytest.mark.parametrize("name", [*TELLING, *sorted(CREDENTIAL_LIKE)])
def test_what_tells_who_asks_is_known_by_its_name(name):
    assert all(is_personal(spelled) for spelled in (name, name.title(), name.upper()))


@pytest.mark.parametrize("name", ANYBODYS)
def test_what_anybody_sends_tells_nothing(name):
    assert not any(is_personal(spelled) for spelled in (name, name.title(), name.upper()))


def test_a_name_that_is_too_long_is_not_looked_at():
    assert [is_personal("x" * length) for length in (128, 129, 60_000)] == [False, True, True]


def test_what_no_rule_can_know_is_named():
    assert is_personal("X-Who", frozenset(("x-who",)))
    assert not is_personal("X-Who")
