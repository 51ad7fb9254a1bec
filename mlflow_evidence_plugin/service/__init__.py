"""The use cases: the one room that knows the order of the steps."""

from .capture import CaptureRequest, Capturing
from .deciding import Deciding
from .evidence import Evidence
from .ingesting import Ingesting
from .issuing import Issuing

__all__ = ["CaptureRequest", "Capturing", "Deciding", "Evidence", "Ingesting", "Issuing"]
