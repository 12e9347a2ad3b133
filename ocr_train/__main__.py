"""`python -m ocr_train`."""

from ocr_train.cli.main import main

if __name__ == "__main__":
    main()
