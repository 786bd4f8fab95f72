"""A bound on how much one document can ask for."""

from __future__ import annotations

from typing import Any

from graphql import ASTValidationRule, FieldNode, GraphQLError, ValidationContext

ALIASES = 16
"""Fields with an alias in one document: each makes the server answer the same again."""


class AliasLimit(ASTValidationRule):
    """Refuses a document with more than `ALIASES` aliases."""

    def __init__(self, context: ValidationContext) -> None:
        """Start to count."""
        super().__init__(context)
        self._count = 0

    def enter_field(self, node: FieldNode, *_args: Any) -> None:
        """Count an alias."""
        if node.alias:
            self._count += 1
            if self._count == ALIASES + 1:
                self.report_error(GraphQLError(f"A document may have {ALIASES} aliases.", node))
