"""Bearer tokens: signed JWTs as RFC 7519 has them, checked as RFC 8725 advises."""
