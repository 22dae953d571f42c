"""The specs in `bad/` are data of tests; no test collection takes them for specs to run."""

collect_ignore = ["bad"]
