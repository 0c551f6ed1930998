"""holdover stands in for third-party odds APIs: what the proxy and the sidecar share."""

__version__ = "0.1.0"
