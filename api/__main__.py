"""The command `xprun`, which `python -m xprun` is, too."""

import gc

GARBAGE = 50_000  # objects after which Python looks for some: a start makes many, and keeps them


def main() -> None:
    """Carry out the command line of this process; looks for garbage would take a tenth of the time of a check."""
    gc.set_threshold(GARBAGE, 20, 20)
    from xprun.runner.cli.main import main

    main(prog_name="xprun")


if __name__ == "__main__":
    main()
