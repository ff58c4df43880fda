"""Talk to Looker: client, login, failure kinds, retry, rate limit, writable fields."""
