"""`python -m recipec`."""

from recipec.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
