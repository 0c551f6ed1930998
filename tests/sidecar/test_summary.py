import pytest

from sidecar.summary import summary

ODDS = 'kind "odds" is used only after comparisons went well; without [shadow] one_in it never is'
REGIONS = "learnt regions are used only after comparisons went well; without [shadow] one_in they never are"


@pytest.mark.parametrize(
    ("projection", "shadow", "warnings"),
    [
        ({"kinds": ["markets"]}, {}, []),
        ({"kinds": ["odds"]}, {}, [ODDS]),
        ({"kinds": ["regions", "odds"], "learn_regions": True}, {}, [ODDS, REGIONS]),
        ({"kinds": ["regions", "odds"], "learn_regions": True}, {"one_in": 50}, []),
    ],
)
def test_check_warns_of_what_is_never_compared_and_so_never_used(rules_of, projection, shadow, warnings):
    [provider] = rules_of(projection=projection, shadow=shadow).providers
    lines = [line.strip() for line in summary(provider).splitlines()]
    assert [line for line in lines if line.startswith("warning")] == [f"warning: {each}" for each in warnings]
