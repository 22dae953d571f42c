"""`xprun bench`: what makes a spec of optimizers and a suite, and what that spec's runs are held against."""
