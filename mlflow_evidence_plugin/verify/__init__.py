"""Offline verification: needs neither mlflow, flask nor sqlalchemy."""

from .bundle import Check, Report, verify_bundle

__all__ = ["Check", "Report", "verify_bundle"]
