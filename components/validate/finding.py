"""One fault of a data set, and the error that a run with faults ends in."""

import dataclasses
from typing import Any, Self

from idxpipe.components.core.codes import ERROR, Code
from idxpipe.components.core.errors import DataError, IdxpipeError


@dataclasses.dataclass(frozen=True)
class Finding:
    """One fault.

    Attributes:
        code: Its name in `idxpipe.components.core.codes`.
        severity: `error` or `warning`.
        uri: The file.
        offset: Byte offset into it, counted in uncompressed content.
        expected: What would have been right.
        found: What was there instead.
        remedy: What to do about it.
        message: One line that says what is wrong.
    """

    code: str
    severity: str
    uri: str | None
    offset: int | None
    expected: str | None
    found: str | None
    remedy: str | None
    message: str

    @classmethod
    def of(cls, error: IdxpipeError) -> Self:
        """Return what an error says. One without a code is of a file that cannot be opened."""
        code = error.code or Code.MISSING
        return cls(
            code=code.code,
            severity=code.severity,
            uri=error.where,
            offset=error.offset,
            expected=None if error.expected is None else str(error.expected),
            found=error.problem if error.found is None else str(error.found),
            remedy=error.remedy,
            message=error.problem,
        )

    @property
    def is_error(self) -> bool:
        """Whether the data set cannot be used like this."""
        return self.severity == ERROR

    def __str__(self) -> str:
        place = "" if self.uri is None else f"{self.uri}: "
        if self.offset is not None:
            place += f"byte {self.offset}: "
        expected = f"; expected {self.expected}" if self.expected else ""
        return f"{self.severity} {self.code}: {place}{self.message}{expected}; found {self.found}"

    def to_json(self) -> dict[str, Any]:
        """Return the fields."""
        return dataclasses.asdict(self)


class FaultsError(DataError):
    """All faults of a data set: reads as the first error, with the other ones after it.

    Args:
        findings: In order, at least one of them an error.
        report: URI of the report that lists them, if one was written.
    """

    def __init__(self, findings: list[Finding], report: str | None = None) -> None:
        errors = [finding for finding in findings if finding.is_error]
        first = errors[0]
        super().__init__(
            first.message,
            where=first.uri,
            offset=first.offset,
            expected=first.expected,
            found=first.found,
            remedy=first.remedy,
            code=next(code for code in Code if code.code == first.code),
        )
        self.findings = findings
        self._others = [f for f in findings if f is not first]
        self._report = report

    def __str__(self) -> str:
        lines = [super().__str__()]
        lines += [f"  {'also:':<10}{finding}" for finding in self._others]
        if self._report:
            lines.append(f"  {'report:':<10}{self._report}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, object]:
        """Return the first error's fields, and all findings."""
        findings = [finding.to_json() for finding in self.findings]
        return {**super().to_json(), "findings": findings}
