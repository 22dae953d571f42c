"""`python -m xprun` is the command `xprun`."""

from xprun.runner.cli.main import main

if __name__ == "__main__":
    main(prog_name="xprun")
