"""A shared HTTP cache by RFC 9111, as pure functions: `now` is passed in, nothing is read or sent."""
