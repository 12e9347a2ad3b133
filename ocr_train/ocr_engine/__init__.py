"""Runs a trained PaddleOCR model: pictures in, boxes and texts out.

Self-contained, because it runs in three places: as a child process in the trainer's interpreter (`worker.py`),
which has none of our other modules; inside a served MLflow model, as the top-level package `ocr_engine`; and in
tests. So: only the standard library, numpy and yaml at the top, cv2, Paddle, `ppocr` and onnxruntime inside
functions, relative imports, and nothing newer than Python 3.8.
"""
