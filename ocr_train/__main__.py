"""`python -m ocr_train`."""

from ocr_train.cli import main

if __name__ == "__main__":
    main()
