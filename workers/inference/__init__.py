"""Log-mel columns -> mouth patches, with ONNX Runtime."""
