"""What comes in and goes out, as marshmallow schemas."""

from .attestations import AttestationSchema, AttestationsSchema
from .bundles import BundlePage, BundleSchema, RunModelsSchema, SearchArgs
from .captures import CaptureArgs, CaptureHeaders, CaptureSchema
from .decisions import DecisionArgs, DecisionSchema
from .health import HealthSchema
from .ledger import (
    ChainSchema,
    GrowthArgs,
    GrowthSchema,
    HeadArgs,
    InclusionSchema,
    TrustSchema,
)
from .problems import ProblemSchema
from .stamping import StampArgs, StampedSchema, UnstampedArgs, UnstampedPage
from .verification import ReportSchema, VerifyArgs

__all__ = [
    "AttestationSchema",
    "AttestationsSchema",
    "BundlePage",
    "BundleSchema",
    "CaptureArgs",
    "CaptureHeaders",
    "CaptureSchema",
    "ChainSchema",
    "DecisionArgs",
    "DecisionSchema",
    "GrowthArgs",
    "GrowthSchema",
    "HeadArgs",
    "HealthSchema",
    "InclusionSchema",
    "ProblemSchema",
    "ReportSchema",
    "RunModelsSchema",
    "SearchArgs",
    "StampArgs",
    "StampedSchema",
    "TrustSchema",
    "UnstampedArgs",
    "UnstampedPage",
    "VerifyArgs",
]
