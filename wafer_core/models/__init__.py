"""Networks, model folders and their cards, ONNX export and int8."""
