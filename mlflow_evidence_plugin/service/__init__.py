"""The use cases: the one room that knows the order of the steps."""

from .capture import CaptureRequest, Capturing
from .evidence import Evidence

__all__ = ["CaptureRequest", "Capturing", "Evidence"]
