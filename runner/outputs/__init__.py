"""What is written beside the store: tables, verdicts on claims, the environment, and what pictures need."""
