"""The base of every error that xprun raises for its users; all packages may import it."""


class Error(Exception):
    """Something that the user can mend, said in words.

    Where nobody catches it, the command line prints the words and exits with `exit_code`. It puts `context` before them
    where it knows which `{spec}` they are about, and `remedy` behind them where it knows the command to run `{again}`.
    """

    exit_code = 1
    context = ""
    remedy = ""
