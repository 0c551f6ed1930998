from mitmproxy import ctx


async def test_what_keeps_malformed_requests_out_stays_on(house, caplog):
    """Whoever switches it off while mitmproxy runs, mitmweb for example."""
    ctx.options.update(validate_inbound_headers=False)
    assert ctx.options.validate_inbound_headers
    [said] = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert "validate_inbound_headers must stay on, and is on again" in said
