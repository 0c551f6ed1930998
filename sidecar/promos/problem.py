"""What is wrong in a file, told so that it can be found and mended."""

from dataclasses import dataclass

from .scan import Place


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """`file` as it was named, `pointer` (RFC 6901) to the value, `message` what is wrong, `remedy` what to do."""

    file: str
    place: Place
    pointer: str
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.place.line}:{self.place.column}"
        said = f"{self.pointer}: {self.message}" if self.pointer else self.message
        return f"{where}: {said}" + (f"; {self.remedy}" if self.remedy else "")

    def facts(self) -> dict[str, object]:
        """For machines."""
        place = {"line": self.place.line, "column": self.place.column}
        return {"file": self.file, **place, "pointer": self.pointer, "message": self.message, "remedy": self.remedy}


def excerpt(problem: Problem, text: str) -> str:
    """The line with a caret below the place; empty when there is no such line."""
    lines = text.splitlines()
    if problem.place.line > len(lines):
        return ""
    line, number = lines[problem.place.line - 1], str(problem.place.line)
    # Tabs stay tabs, so that the caret stands below its place however wide they are shown.
    before = "".join("\t" if c == "\t" else " " for c in line[: problem.place.column - 1])
    return f"  {number} | {line}\n  {' ' * len(number)} | {before}^"
