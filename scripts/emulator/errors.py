"""The errors of the provider."""

from __future__ import annotations

DETAILS_URL = "https://the-odds-api.com/liveapi/guides/v4/api-error-codes.html#"


class RefusedError(Exception):
    """A request the provider answers with an error document."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def document(self) -> dict[str, str]:
        link = DETAILS_URL + self.code.lower().replace("_", "-")
        return {"message": self.message, "error_code": self.code, "details_url": link}
