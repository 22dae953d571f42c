"""Launchers: where cohorts are trained. Processes of this machine, a Ray cluster, Slurm, or what a plugin brings."""
