"""`python -m cli`: the command, also where its script is not on the PATH."""

from cli.main import main

if __name__ == "__main__":
    main()
