"""``python -m textmill.pipeline.cli`` is ``textmill``."""

from textmill.pipeline.cli import main

if __name__ == "__main__":
    main()
