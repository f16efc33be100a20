"""A record in the formats of other programs, written beside it: TensorBoard, VisualDL, MLflow."""
