"""The agent loop: one run of one agent, on the OpenAI Agents SDK."""
