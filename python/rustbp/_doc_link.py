"""The link from an estimator's HTML repr, in a notebook, to its page of the documentation."""

from functools import cache
from importlib import metadata


class DocLinkMixin:
    """Leads scikit-learn's HTML repr to the pages of this package, where its metadata says where they are."""

    _doc_link_module = "rustbp"

    @property
    def _doc_link_template(self) -> str:
        return _template()


@cache
def _template() -> str:
    """The address of an estimator's page, for scikit-learn's repr to fill in; empty where the project has none."""
    try:
        entries = metadata.metadata("rustbp").get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        entries = []
    address = dict(entry.split(", ", 1) for entry in entries).get("Documentation")
    return f"{address.rstrip('/')}/api/generated/rustbp.{{estimator_name}}.html" if address else ""
