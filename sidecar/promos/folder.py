"""What each file of the folder of promos is, by its name."""

SLOTS, AUDIENCES, KILL = "slots.json", "audiences.json", "kill.json"
WORDS = (SLOTS, AUDIENCES)
"""Without which nothing can be judged."""
COMPLIANCE = "compliance"
_SCHEMAS = {SLOTS: "slots", AUDIENCES: "audiences", KILL: "kill"}


def schema_of(name: str) -> str:
    return "compliance" if is_pack(name) else _SCHEMAS.get(name, "promo")


def is_pack(name: str) -> bool:
    return name.startswith(f"{COMPLIANCE}/")


def is_rule(name: str) -> bool:
    """What campaigns are judged by."""
    return name in WORDS or is_pack(name)


def is_campaign(name: str) -> bool:
    return schema_of(name) == "promo"


def jurisdiction_of(pack: str) -> str:
    return pack.removeprefix(f"{COMPLIANCE}/").removesuffix(".json")
