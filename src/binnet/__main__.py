"""``python -m binnet``: the same as the command `binnet`."""

from binnet.cli import main

if __name__ == "__main__":
    main()
