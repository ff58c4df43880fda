"""A stateful stand-in for the Looker API, for rehearsals, tests and benchmarks."""
