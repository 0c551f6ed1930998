"""The shipped alerts: valid, about metrics that exist, and raised when they should be."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from holdover.metrics import Metrics
from scripts.rig import ROOT

RULES = ROOT / "config" / "prometheus" / "alerts.yml"
NEEDED = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed (Debian package: prometheus)"
)
VENDOR = 'upstream="vendor"'

# What is seen each minute from the first on, and what is raised after twenty minutes.
CASES: dict[str, tuple[dict[str, str], list[dict[str, str]]]] = {
    "HoldoverCredentialDead": (
        {f"holdover_upstream_credential_dead{{{VENDOR}}}": "0 1x30"},
        [{"upstream": "vendor", "severity": "page"}],
    ),
    "HoldoverQuotaUsedUp": (
        {f"holdover_upstream_quota_frozen{{{VENDOR}}}": "0 1x30"},
        [{"upstream": "vendor", "severity": "page"}],
    ),
    "HoldoverQuotaShort": (
        {
            f"holdover_budget_affordable{{{VENDOR}}}": "0x30",
            'holdover_budget_affordable{upstream="for a while"}': "0x8 1 0x20",
        },
        [{"upstream": "vendor", "severity": "ticket"}],
    ),
    "HoldoverProjectionWrong": (
        {f'holdover_projection_switched_off{{{VENDOR},kind="odds"}}': "1x30"},
        [{"upstream": "vendor", "kind": "odds", "severity": "ticket"}],
    ),
    "HoldoverNotRefreshing": (
        {
            f"holdover_refresh_overdue_seconds{{{VENDOR}}}": "0+60x30",
            'holdover_refresh_overdue_seconds{upstream="a little late"}': "30x30",
        },
        [{"upstream": "vendor", "severity": "page"}],
    ),
    "HoldoverClientsFail": (
        {f'holdover_client_requests_total{{{VENDOR},route="odds",outcome="failed",code="5xx"}}': "0+1x30"},
        [{"upstream": "vendor", "severity": "page"}],
    ),
    "HoldoverDegraded": (
        {'holdover_degraded{dependency="store"}': "1x30", 'holdover_degraded{dependency="sidecar"}': "0x30"},
        [{"dependency": "store", "severity": "ticket"}],
    ),
    "HoldoverInternalErrors": (
        {'holdover_internal_errors_total{where="store"}': "0x11 1x30"},
        [{"where": "store", "severity": "ticket"}],
    ),
    "HoldoverPromosRefused": (
        {'holdover_promos_files{state="good"}': "3x30", 'holdover_promos_files{state="held"}': "1x30"},
        [{"severity": "ticket"}],
    ),
    "HoldoverPromosKilled": ({"holdover_promos_killed": "2x30"}, [{"severity": "ticket"}]),
    "HoldoverPromosSlow": (
        {
            'holdover_promos_propagation_seconds_bucket{le="1"}': "0x40",
            'holdover_promos_propagation_seconds_bucket{le="2.5"}': "0+1x40",
            'holdover_promos_propagation_seconds_bucket{le="+Inf"}': "0+1x40",
        },
        [{"severity": "ticket"}],
    ),
    "HoldoverConfigurationRefused": (
        {'holdover_config_reloads_total{file="config",result="error"}': "0x11 1x30"},
        [{"file": "config", "severity": "ticket"}],
    ),
}


def rules() -> list[dict[str, Any]]:
    [group] = YAML(typ="safe").load(RULES)["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def test_every_metric_of_an_alert_exists():
    families = Metrics().registry.collect()
    known = {f"{family.name}{end}" for family in families for end in ("", "_total", "_bucket")}
    for rule in rules():
        named = set(re.findall(r"holdover_[a-z_]+", rule["expr"]))
        assert named
        assert named <= known, rule["alert"]


def promtool(*arguments: str) -> None:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@NEEDED
def test_they_are_valid():
    promtool("check", "rules", str(RULES))


def test_every_alert_has_a_case():
    assert [rule["alert"] for rule in rules()] == list(CASES)


@NEEDED
@pytest.mark.parametrize("name", CASES)
def test_it_is_raised(tmp_path: Path, name: str):
    series, raised = CASES[name]
    [rule] = [rule for rule in rules() if rule["alert"] == name]
    texts = [{"exp_labels": labels, "exp_annotations": written(rule, labels)} for labels in raised]
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [{"eval_time": "20m", "alertname": name, "exp_alerts": texts}],
    }
    path = tmp_path / "test.yml"
    path.write_text(json.dumps({"rule_files": [str(RULES)], "tests": [test]}))
    promtool("test", "rules", str(path))


def written(rule: dict[str, Any], labels: dict[str, str]) -> dict[str, str]:
    """The annotations with the labels filled in."""
    filled: dict[str, str] = {}
    for key, text in rule["annotations"].items():
        filled[key] = re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda found: labels[found[1]], text).strip()
    return filled
