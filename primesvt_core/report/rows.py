"""Tables of a report: rows that people look at in Python as records or as data frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, get_args

from pydantic import BaseModel, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from primesvt_core.extras import needed

if TYPE_CHECKING:
    import pandas

Row = TypeVar("Row", bound=BaseModel)


class Rows(tuple[Row, ...]):
    """Rows of one kind, in the report's order; in its document a list."""

    __slots__ = ()

    def to_records(self) -> list[dict[str, Any]]:
        """Every row as a dictionary by column."""
        return [row.model_dump() for row in self]

    def to_frame(self) -> pandas.DataFrame:
        """All rows as a pandas data frame.

        Raises:
            MissingExtra: pandas is not installed, which the extra ``frames`` brings.
        """
        found: pandas.DataFrame = needed("pandas", "frames", "a data frame").DataFrame(self.to_records())
        return found

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """As a tuple of its rows."""
        (row,) = get_args(source)
        return core_schema.no_info_after_validator_function(cls, handler.generate_schema(tuple[row, ...]))  # type: ignore[valid-type]
