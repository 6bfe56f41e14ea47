"""The vocabulary of Airboss: jobs, states, events, errors and policies, with no I/O and no clock."""
