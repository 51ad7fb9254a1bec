"""What comes in and goes out, as marshmallow schemas."""

from .bundles import BundlePage, BundleSchema, SearchArgs
from .captures import CaptureArgs, CaptureSchema, WaitHeaders
from .decisions import DecisionArgs, DecisionSchema
from .health import HealthSchema
from .problems import ProblemSchema

__all__ = [
    "BundlePage",
    "BundleSchema",
    "CaptureArgs",
    "CaptureSchema",
    "DecisionArgs",
    "DecisionSchema",
    "HealthSchema",
    "ProblemSchema",
    "SearchArgs",
    "WaitHeaders",
]
