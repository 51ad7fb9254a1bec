"""What comes in and goes out, as marshmallow schemas."""

from .approvals import (
    ApprovalArgs,
    ApprovalSchema,
    DecisionsArgs,
    DecisionsPage,
    EntriesSchema,
    RevocationArgs,
    WaiverArgs,
    WaiverSchema,
)
from .attestations import AttestationSchema, AttestationsSchema
from .bundles import BundlePage, BundleSchema, RunModelsSchema, SearchArgs
from .captures import CaptureArgs, CaptureHeaders, CaptureSchema
from .checks import (
    AcceptedSchema,
    AzureDevOpsHeaders,
    CheckArgs,
    GitHubSchema,
    GitLabDeploymentSchema,
    GitLabMergeRequestSchema,
)
from .decisions import DecisionArgs, DecisionSchema
from .erasures import ErasureArgs, ErasureSchema
from .gates import (
    FlaggerSchema,
    MLflowEventSchema,
    ProviderProblemSchema,
    ProviderRequestSchema,
    ProviderResponseSchema,
)
from .health import HealthSchema
from .ledger import (
    ArchiveArgs,
    ChainSchema,
    GrowthArgs,
    GrowthSchema,
    HeadArgs,
    InclusionSchema,
    TrustSchema,
)
from .policies import ExplainArgs, ExplainedSchema, PolicySchema
from .problems import ProblemSchema
from .stamping import StampArgs, StampedSchema, UnstampedArgs, UnstampedPage
from .verification import ReportSchema, VerifyArgs

__all__ = [
    "AcceptedSchema",
    "ApprovalArgs",
    "ApprovalSchema",
    "ArchiveArgs",
    "AttestationSchema",
    "AttestationsSchema",
    "AzureDevOpsHeaders",
    "BundlePage",
    "BundleSchema",
    "CaptureArgs",
    "CaptureHeaders",
    "CaptureSchema",
    "ChainSchema",
    "CheckArgs",
    "DecisionArgs",
    "DecisionSchema",
    "DecisionsArgs",
    "DecisionsPage",
    "EntriesSchema",
    "ErasureArgs",
    "ErasureSchema",
    "ExplainArgs",
    "ExplainedSchema",
    "FlaggerSchema",
    "GitHubSchema",
    "GitLabDeploymentSchema",
    "GitLabMergeRequestSchema",
    "GrowthArgs",
    "GrowthSchema",
    "HeadArgs",
    "HealthSchema",
    "InclusionSchema",
    "MLflowEventSchema",
    "PolicySchema",
    "ProblemSchema",
    "ProviderProblemSchema",
    "ProviderRequestSchema",
    "ProviderResponseSchema",
    "ReportSchema",
    "RevocationArgs",
    "RunModelsSchema",
    "SearchArgs",
    "StampArgs",
    "StampedSchema",
    "TrustSchema",
    "UnstampedArgs",
    "UnstampedPage",
    "VerifyArgs",
    "WaiverArgs",
    "WaiverSchema",
]
