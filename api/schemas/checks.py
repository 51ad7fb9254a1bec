"""Checks: what other systems send in their own words, and what they are told at once."""

from marshmallow import EXCLUDE, Schema, fields, validate

from . import names

_GUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z"


class CheckArgs(Schema):
    """Which version may go where: `version` or `alias` of a model, for one environment."""

    model = names.name(required=True, metadata={"description": "a registered model"})
    version = names.name(32, metadata={"description": "a version of it"})
    alias = names.name(metadata={"description": "or an alias, resolved when it is decided"})
    environment = names.name(
        64, metadata={"description": "may be left out if the policy has only one"}
    )
    digest = names.digest(metadata={"description": "deny unless the evidence is this record"})
    policy = names.digest(metadata={"description": "deny unless this policy is in force"})


class AzureDevOpsHeaders(Schema):
    """What Azure DevOps sends with a check, so that it can be answered later."""

    plan_url = fields.String(data_key="PlanUrl", required=True, validate=validate.Length(1, 2048))
    project_id = fields.String(data_key="ProjectId", required=True, validate=validate.Regexp(_GUID))
    hub_name = fields.String(
        data_key="HubName", required=True, validate=validate.Regexp(r"^[A-Za-z]{1,64}\Z")
    )
    plan_id = fields.String(data_key="PlanId", required=True, validate=validate.Regexp(_GUID))
    job_id = fields.String(data_key="JobId", required=True, validate=validate.Regexp(_GUID))
    task_instance_id = fields.String(
        data_key="TaskInstanceId", required=True, validate=validate.Regexp(_GUID)
    )
    auth_token = fields.String(
        data_key="AuthToken",
        required=True,
        validate=validate.Regexp(r"^[\x21-\x7e]{1,8000}\Z"),
        metadata={"description": "goes back with the answer, and is kept in memory alone"},
    )


class AcceptedSchema(Schema):
    """What became of a webhook: a verdict follows, or it is none of ours."""

    status = fields.String(required=True, validate=validate.OneOf(["accepted", "ignored"]))


class _Part(Schema):
    """A part of a webhook: there is far more in it, and more to come."""

    class Meta:
        """marshmallow's own declaration."""

        unknown = EXCLUDE


class _Installation(_Part):
    id = fields.Integer(required=True, strict=True)


class _Repository(_Part):
    full_name = fields.String(
        required=True, validate=validate.Regexp(r"^[A-Za-z0-9._-]{1,100}/[A-Za-z0-9._-]{1,100}\Z")
    )


class _Deployment(_Part):
    ref = fields.String(load_default="", allow_none=True)
    task = fields.String(load_default="", allow_none=True)
    description = fields.String(load_default="", allow_none=True)


class GitHubSchema(_Part):
    """GitHub's webhook `deployment_protection_rule`, as far as it is read."""

    action = fields.String(required=True)
    environment = fields.String(required=True, validate=validate.Length(1, 255))
    deployment_callback_url = fields.String(required=True)
    deployment = fields.Nested(_Deployment, load_default=None, allow_none=True)
    ref = fields.String(
        load_default="",
        allow_none=True,
        metadata={"description": "is read where there is no deployment"},
    )
    repository = fields.Nested(_Repository, required=True)
    installation = fields.Nested(_Installation, required=True)


class _Project(_Part):
    id = fields.Integer(required=True, strict=True)
    path_with_namespace = fields.String(required=True, validate=validate.Length(1, 1024))


class _LastCommit(_Part):
    id = fields.String(required=True, validate=validate.Regexp(r"^[0-9a-f]{40,64}\Z"))


class _MergeRequest(_Part):
    iid = fields.Integer(required=True, strict=True)
    state = fields.String(load_default="opened")
    title = fields.String(load_default="", allow_none=True)
    source_branch = fields.String(load_default="", allow_none=True)
    target_branch = fields.String(load_default="", allow_none=True)
    last_commit = fields.Nested(_LastCommit, required=True)


class _StatusCheck(_Part):
    id = fields.Integer(required=True, strict=True)
    name = fields.String(required=True, validate=validate.Length(1, 255))


class GitLabMergeRequestSchema(_Part):
    """GitLab's request to an external status check, as far as it is read."""

    project = fields.Nested(_Project, required=True)
    object_attributes = fields.Nested(_MergeRequest, required=True)
    external_approval_rule = fields.Nested(_StatusCheck, required=True)


class GitLabDeploymentSchema(_Part):
    """GitLab's deployment event, as far as it is read."""

    object_kind = fields.String(required=True)
    status = fields.String(required=True)
    deployment_id = fields.Integer(required=True, strict=True)
    environment = fields.String(required=True, validate=validate.Length(1, 255))
    project = fields.Nested(_Project, required=True)
    ref = fields.String(load_default="", allow_none=True)
    commit_title = fields.String(load_default="", allow_none=True)
