"""The double's workspace: its names, and the addresses that clients see."""

from __future__ import annotations

import re

SUBSCRIPTION, GROUP, NAME = "11111111-2222-3333-4444-555555555555", "rg-double", "ws-double"
SCOPE = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"
    f"/providers/Microsoft.MachineLearningServices/workspaces/{NAME}"
)
SHORT_SCOPE = f"/subscriptions/{SUBSCRIPTION}/resourcegroups/{GROUP}/workspaces/{NAME}"
"""As the studio writes it in its addresses."""

HOST = "westeurope.api.azureml.ms"
"""The name in artifact URIs; over loopback the client never dials it."""

ACCOUNT, CONTAINER = "doublestore.blob.core.windows.net", "azureml"
SCOPED = re.escape(SCOPE)
