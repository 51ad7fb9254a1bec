"""What comes in and goes out, as marshmallow schemas."""

from .bundles import BundlePage, BundleSchema, RunModelsSchema, SearchArgs
from .captures import CaptureArgs, CaptureHeaders, CaptureSchema
from .decisions import DecisionArgs, DecisionSchema
from .health import HealthSchema
from .problems import ProblemSchema

__all__ = [
    "BundlePage",
    "BundleSchema",
    "CaptureArgs",
    "CaptureHeaders",
    "CaptureSchema",
    "DecisionArgs",
    "DecisionSchema",
    "HealthSchema",
    "ProblemSchema",
    "RunModelsSchema",
    "SearchArgs",
]
