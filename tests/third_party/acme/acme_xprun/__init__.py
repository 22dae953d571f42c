"""Components for xprun, from a distribution of their own."""
