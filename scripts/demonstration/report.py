"""The end of the demonstration: JSON for programs, words for people."""

import textwrap

from .fleet import INTERVAL_S
from .screen import faster, fewer
from .tally import Outcome, Tally

WIDTH = 79
INDENT = "  "


def as_document(outcome: Outcome) -> dict[str, object]:
    """The top level tells of the phase through holdover."""
    through = outcome.through
    return {
        "seed": outcome.seed,
        "seconds": through.seconds,
        "clients": outcome.clients,
        "questions": outcome.questions,
        "spellings": outcome.spellings,
        "window_s": outcome.window_s,
        "client_requests": through.requests,
        "upstream_requests": through.upstream_requests,
        "dedup_ratio": through.dedup_ratio,
        "served_age_max_s": through.served_age_max_s,
        "promised_age_s": outcome.promised_age_s,
        "first_answer_max_ms": through.first_ms,
        "errors": through.errors,
        "backwards": through.backwards,
        "direct": _phase(outcome.direct),
        "through": _phase(through),
    }


def _phase(tally: Tally) -> dict[str, object]:
    return {
        "p50_ms": tally.p50_ms,
        "p95_ms": tally.p95_ms,
        "p99_ms": tally.p99_ms,
        "requests": tally.requests,
        "requests_per_s": tally.requests_per_s,
        "upstream_requests": tally.upstream_requests,
        "dedup_ratio": tally.dedup_ratio,
        "credits": tally.credits,
        "served_age_p50_s": tally.served_age_p50_s,
        "served_age_p95_s": tally.served_age_p95_s,
        "served_age_max_s": tally.served_age_max_s,
        "errors": tally.errors,
        "error_kinds": dict(tally.error_kinds),
        "backwards": tally.backwards,
    }


def as_text(outcome: Outcome) -> str:
    """The closing words. ASCII, so that they can be printed anywhere."""
    sections = (
        ("What happened", _happened(outcome)),
        (f"{'What it saved':<35}{'before':>12}{'after':>12}", _saved(outcome)),
        ("What it cost", _cost(outcome)),
        ("What went wrong", _wrong(outcome)),
    )
    return "\n\n".join(f"{title}\n{text}" for title, text in sections)


def _happened(outcome: Outcome) -> str:
    return _paragraph(
        f"{outcome.clients} legacy clients asked an emulated odds provider "
        f"{_counted(outcome.questions, 'different question')}, written in {_counted(outcome.spellings, 'way')}, each "
        f"client about every {INTERVAL_S:g}~s, for {outcome.through.seconds:g}~s: before, straight at the provider; "
        "after, with holdover in between. The clients were not changed: the provider's name led them elsewhere."
    )


def _saved(outcome: Outcome) -> str:
    direct, through = outcome.direct, outcome.through
    rows = [
        ("requests to the provider", direct.upstream_requests, through.upstream_requests, "   ", fewer),
        ("credits (x-requests-used)", direct.credits, through.credits, "   ", fewer),
        ("half of the answers came within", direct.p50_ms, through.p50_ms, " ms", faster),
        ("95 of 100 answers came within", direct.p95_ms, through.p95_ms, " ms", faster),
        ("99 of 100 answers came within", direct.p99_ms, through.p99_ms, " ms", faster),
    ]
    lines = [
        f"{INDENT}{label:<33}{_figure(before)}{unit}{_figure(after)}{unit}   {remark(before, after)}"
        for label, before, after, unit, remark in rows
    ]
    return "\n".join((*lines, _shared(outcome)))


def _shared(outcome: Outcome) -> str:
    through = outcome.through
    return _paragraph(
        f"Of the clients' {through.requests:,} requests through holdover {through.upstream_requests:,} reached the "
        f"provider: dedup ratio {through.dedup_ratio:.2f}. "
        f"Those {through.upstream_requests:,} follow from the questions and the window: "
        f"about {outcome.questions}~requests every {outcome.window_s:g}~s, however many clients ask."
    )


def _cost(outcome: Outcome) -> str:
    direct, through = outcome.direct, outcome.through
    verdict = "It kept that promise." if outcome.promise_kept else "It did not keep that promise."
    return "\n".join(
        (
            _paragraph(
                f"Odds reached the clients at most {through.served_age_max_s:.2f}~s old (95 of 100 at most "
                f"{through.served_age_p95_s:.2f}~s), direct at most {direct.served_age_max_s:.2f}~s. "
                f"holdover promises {outcome.promised_age_s:g}~s: its window ({outcome.window_s:g}~s) and one answer "
                f"of the provider (here none took over {outcome.provider_s:g}~s). {verdict}"
            ),
            _paragraph(
                "The first answer to a question comes from the provider and takes as long, "
                f"here up to {through.first_ms:,.0f}~ms. Every question was asked once before the polling "
                "began, in both phases: these requests are counted, but not in the latencies above."
            ),
        )
    )


def _wrong(outcome: Outcome) -> str:
    phases = {"direct": outcome.direct, "through holdover": outcome.through}
    troubled = [_trouble(name, tally) for name, tally in phases.items() if tally.errors or tally.backwards]
    nothing = _paragraph("Nothing: there were no errors, and no client saw older odds after newer ones.")
    return "\n".join(troubled) or nothing


def _trouble(name: str, tally: Tally) -> str:
    kinds = ", ".join(f"{count} x {kind}" for kind, count in tally.error_kinds.items())
    return _paragraph(
        f"{name}: {_counted(tally.errors, 'error')}{f' ({kinds})' if kinds else ''}; "
        f"{_counted(tally.backwards, 'time')} a client saw older odds after newer ones."
    )


def _paragraph(text: str) -> str:
    """Wrapped; `~` is a space that does not break."""
    filled = textwrap.fill(text, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT, break_on_hyphens=False)
    return filled.replace("~", " ")


def _figure(value: float) -> str:
    return f"{value:>9,.{1 if value < 10 and value % 1 else 0}f}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
