"""The parts of the harnesses in tests/model/cbmc, and the errors that each must find. They
are put into copies of the sources: tests/model/errors.t shows that this is still possible,
and tests/soak/cbmc.t, that they are found."""

HARNESSES = "tests/model/cbmc"
COUNT = ["lib/attempts/count.c", "lib/host/clock.c"]
# Fewer entries, where 64 would take hours.
FEW = [("lib/policy/settings.h", "ATTEMPTS_MAX = 64", "ATTEMPTS_MAX = 6")]
FULL = [("lib/policy/settings.h", "ATTEMPTS_MAX = 64", "ATTEMPTS_MAX = 4")]


class Proof:
    """A part of a harness: its bounds on loops, and the other sources. `changes` are made to
    the sources first. `errors` are put in one at a time, and each makes a claim fail: the
    file, the text that is replaced, and what takes its place."""

    def __init__(self, harness, part, bounds, sources, errors, changes=()):
        self.name = f"{harness}, {part}"
        self.sources, self.errors, self.changes = sources, errors, changes
        unwind, *of_loops = bounds.split()
        self.arguments = ["--unwind", unwind, "--function", f"prove_{part}",
                          f"{HARNESSES}/{harness}.c"]
        for bound in of_loops:
            self.arguments += ["--unwindset", bound]


PROOFS = [
    Proof("count", "admission", "65", COUNT, [
        ("lib/attempts/count.c", " || taken >= limits->max_attempts", ""),
        ("lib/attempts/count.c", "count_bits(count->failed | count->in_flight);",
         "count_bits(count->failed);")]),
    Proof("count", "settlement", "65", COUNT, [
        ("lib/attempts/count.c", "    count->carried &= ~bit(entry);\n    if (outcome",
         "    if (outcome"),
        ("lib/attempts/count.c", "if (outcome == ATTEMPT_SUCCEEDED && count->locked_ms == NOT_LOCKED)",
         "if (outcome == ATTEMPT_SUCCEEDED)"),
        ("lib/attempts/count.c", "if (outcome == ATTEMPT_SUCCEEDED &&",
         "if (outcome != ATTEMPT_FAILED &&")]),
    Proof("count", "carrying", "65", COUNT, [
        ("lib/attempts/count.c", "count->last_generation += CARRIED_GENERATIONS;", ";")]),
    Proof("count", "adoption", "65", COUNT, [
        ("lib/attempts/count.c", "    count->carried &= ~bit(slot->entry);\n", ""),
        ("lib/attempts/count.c", "count->generation[slot->entry] != slot->generation)\n", "false)\n")]),
    Proof("count", "up_to_date", "17", COUNT, [
        ("lib/attempts/count.c", "if (((alive | count->carried) & bit(i))", "if ((alive & bit(i))"),
        ("lib/attempts/count.c", "boot_ms);\n    lock_at_limit(count, limits, now, changes);\n",
         "boot_ms);\n")], FEW),
    Proof("count", "far_times", "17", COUNT, [
        ("lib/host/clock.c", "if (__builtin_add_overflow(a, b, &sum))", "if ((sum = a + b) == a)")],
          FEW),
    Proof("count", "window", "17", COUNT, [
        ("lib/attempts/count.c", ">= limits->window_ms", "> limits->window_ms")], FEW),
    Proof("count", "staleness", "17", COUNT, [
        ("lib/attempts/count.c", "~(alive | count->carried);", "~alive;"),
        ("lib/attempts/count.c", ">= ATTEMPT_STALLED_MS", "> ATTEMPT_STALLED_MS")], FEW),
    Proof("count", "merge", "17", COUNT, [
        ("lib/attempts/count.c", "if (other->locked_ms > count->locked_ms)",
         "if (other->locked_ms < count->locked_ms)"),
        ("lib/attempts/count.c", "        at_ms = count->at_ms[i];\n", ""),
        ("lib/attempts/count.c", "count->at_ms[i] >= at_ms)\n", "false)\n")], FULL),
    Proof("banks", "banks", "3", [], [
        ("lib/attempts/ledger_record.c", "if (lead[0] != trail[0])\n        return 1;",
         "if (lead[0] == trail[0])\n        return 1;")]),
    Proof("banks", "damaged_banks", "3", [], [
        ("lib/attempts/ledger_record.c", " && (word & 1) == which", "")]),
    Proof("duration", "text", "9", [], [
        ("lib/policy/duration.c", "int64_t total = 0;", "int64_t total = *seconds = 0;")]),
    Proof("duration", "number", "7 duration_parse.1:3", [], [
        ("lib/policy/duration.c", "__builtin_mul_overflow(number, unit, &part)",
         "(part = number) < 0")]),
    Proof("duration", "large", "22 duration_parse.1:3", [], [
        ("lib/policy/duration.c", "__builtin_mul_overflow(number, 10, &number)",
         "(number *= 10) < 0")]),
    Proof("duration", "both", "17 duration_parse.1:6 duration_parse.0:4", [], [
        ("lib/policy/duration.c", "        seconds -= number * unit_sec(*u);\n", "")]),
    Proof("schedule", "schedule", "1", ["lib/sessions/schedule.c"], [
        ("lib/sessions/schedule.c", "now_ms >= decision.end_ms", "now_ms > decision.end_ms"),
        ("lib/sessions/schedule.h", "from_ms == NEVER_MS || by_ms == NEVER_MS ||", "")]),
    Proof("snapshot", "offsets", "9", [], [
        ("lib/policy/snapshot_read.c", "offset <= snapshot->file_size && size", "size")]),
    Proof("snapshot", "header", "9", [], [
        ("lib/policy/snapshot_read.c", "header->bucket_offset + buckets <= header->file_size",
         "header->bucket_offset <= header->file_size")]),
    Proof("snapshot", "record", "9", [], [
        ("lib/policy/snapshot_read.c", "head->text_size !=\n            size",
         "head->text_size >\n            size")]),
    Proof("snapshot", "block", "9", [], [
        ("lib/policy/snapshot_read.c", " || padded(source->path_size) > end - *at", "")]),
]


def with_change(text, change):
    """A source's text with this change: the file, what is replaced, and what takes its place."""
    path, old, new = change
    if text.count(old) != 1:
        raise ValueError(f"{path} does not contain this once: {old}")
    return text.replace(old, new)
