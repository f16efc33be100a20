"""`python -m cadence`: the same as the command `cadence`."""

from cadence.cli.app import main

if __name__ == "__main__":
    main()
