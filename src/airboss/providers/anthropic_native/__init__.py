"""Anthropic's Messages API in its own words: the extra `airboss[anthropic]`."""
