"""Offline verification: needs neither mlflow, flask nor sqlalchemy."""

from .archive import Expected, verify_archive
from .bundle import verify_bundle
from .either import verify_file
from .report import Check, Report

__all__ = ["Check", "Expected", "Report", "verify_archive", "verify_bundle", "verify_file"]
