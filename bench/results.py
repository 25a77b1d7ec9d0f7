"""What bench/run found: the bars it is held against, tables for people, files for the record."""

import json
import re

COUNTERS = (
    "confab_replayed_events_total",
    "confab_store_page_reads_total",
    "confab_slow_reader_pauses_total",
    "confab_commits_total",
    "confab_commit_batch_size_sum",
    "confab_commit_batch_size_count",
)


def counters(metrics):
    """The counters of a Prometheus page that explain a run; {} where the server has no such page."""
    found = {}
    for line in metrics.splitlines():
        sample = re.match(r"([a-z_]+(?:\{.*\})?) ([0-9.e+]+)$", line)
        if sample and sample.group(1).split("{")[0] in COUNTERS:
            found[sample.group(1)] = float(sample.group(2))
    return found


def number(value, digits=0, unit=""):
    return "-" if value is None else f"{value:,.{digits}f}{unit}"


def growth_mib(figures):
    if "memory_max_bytes" not in figures:
        return None
    return (figures["memory_max_bytes"] - figures["memory_start_bytes"]) / 2**20


def percent(value):
    return None if value is None else 100 * value


# For each scenario: the figure that a median is taken by, and the columns: title, value of the figures, decimals.
COLUMNS = {
    "fanout": ("deliveries_per_s", [
        ("deliveries/s", "deliveries_per_s", 0),
        ("p50 ms", "p50_ms", 2),
        ("p99 ms", "p99_ms", 2),
        ("max ms", "max_ms", 1),
        ("server CPU s/million", "cpu_s_per_million", 2),
        ("KiB/connection", "rss_kib_per_connection", 1),
        ("client CPU", "client_cpu_share", 2),
    ]),
    "idle": ("connects_per_s", [
        ("connects/s", "connects_per_s", 0),
        ("KiB/connection", "rss_kib_per_connection", 2),
        ("idle CPU %", lambda f: percent(f.get("idle_cpu_share")), 2),
        ("CPU µs/connect", "connect_cpu_us", 0),
        ("client CPU", "client_cpu_share", 2),
    ]),
    "stalled": ("p99_ratio", [
        ("p99 ms before", "before_p99_ms", 2),
        ("stalled", "stalled_p99_ms", 2),
        ("after", "after_p99_ms", 2),
        ("ratio", "p99_ratio", 2),
        ("deliveries/s", "stalled_deliveries_per_s", 0),
        ("memory + MiB", growth_mib, 1),
        ("events behind", "behind", 0),
        ("never got", "missing", 0),
    ]),
    "storm": ("storm_per_s", [
        ("all caught up s", "storm_s", 2),
        ("replayed/s", "storm_per_s", 0),
        ("server CPU s", "storm_server_cpu_s", 2),
        ("replay alone s", "replay_s", 2),
        ("replayed/s alone", "replay_per_s", 0),
        ("wrong clients", "storm_wrong_clients", 0),
    ]),
    "durable": ("acked_per_s", [
        ("acked/s", "acked_per_s", 0),
        ("p50 ms", "p50_ms", 2),
        ("p99 ms", "p99_ms", 2),
        ("CPU µs/message", "cpu_us_per_message", 1),
        ("mean batch", "mean_batch", 1),
        ("bare rows/s", "bare_rows_per_s", 0),
        ("ratio to bare", "ratio_to_bare", 2),
    ]),
}  # fmt: skip


def value_of(column, figures):
    return column(figures) if callable(column) else figures.get(column)


def headline(scenario, figures):
    """One run in one line."""
    if not figures.get("ok"):
        return f"FAILED: {figures.get('first_error', 'see the figures')}"
    return ", ".join(f"{title} {number(value_of(key, figures), digits)}" for title, key, digits in COLUMNS[scenario][1][:4])


def table(header, rows):
    """An aligned Markdown table: first column left, the others right."""
    cells = [header, *rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]

    def line(row):
        return "| " + " | ".join(c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))) + " |"

    rule = "|" + "|".join("-" * (w + 2) if i < 2 else "-" * (w + 1) + ":" for i, w in enumerate(widths)) + "|"
    return "\n".join([line(header), rule, *map(line, rows)])


class Results:
    def __init__(self, runs, machine, commit, when, quick):
        self.runs = runs
        self.machine = machine
        self.commit = commit
        self.when = when
        self.quick = quick

    # ---- reading ----

    def medians(self, scenario):
        """One run for each server and shape, in the order they were made: the median by the scenario's figure."""
        groups = {}
        for run in self.runs:
            if run["scenario"] == scenario:
                groups.setdefault((run["server"], run["shape"]), []).append(run["figures"])
        key = COLUMNS[scenario][0]
        chosen = {}
        for place, found in groups.items():
            found.sort(key=lambda figures: figures.get(key, 0))
            chosen[place] = found[len(found) // 2]
        return chosen

    def figure(self, server, scenario, shape, key):
        """A figure of the run whose shape matches the pattern; None where it was not measured."""
        for (who, where), figures in self.medians(scenario).items():
            if who == server and re.fullmatch(shape, where):
                return value_of(key, figures)
        return None

    def all_ok(self):
        """Confab lost, doubled and missed nothing. (A peer may: FastAPI's room stops with a stalled reader.)"""
        return all(run["figures"].get("ok") for run in self.runs if run["server"] == "confab")

    # ---- bars ----

    def ratio(self, scenario, shape, key, other):
        ours, theirs = self.figure("confab", scenario, shape, key), self.figure(other, scenario, shape, key)
        return ours / theirs if ours is not None and theirs else None

    def bars(self):
        """Rows of: item of the issue, what is held, value, bar, met (None: not measured)."""
        one, many, eight = r"1x\d+ F1", r"(?!1x)\d+x\d+ F1", r"1x\d+ F8"
        rate, stall, alone = "deliveries_per_s", r"1x\d+ F4", "1 senders"
        own = lambda scenario, shape, key: self.figure("confab", scenario, shape, key)  # noqa: E731
        commit_ms = own("durable", alone, "bare_rows_per_s")
        one_p50 = own("durable", alone, "p50_ms")
        return [
            self.bar(3, "1x1000, 1 in flight: deliveries/s against Node ws in memory", self.ratio("fanout", one, rate, "node-memory"), ">=", 1.25),
            self.bar(3, "1x1000, 1 in flight: against FastAPI in memory", self.ratio("fanout", one, rate, "fastapi-memory"), ">=", 2),
            self.bar(3, "50x20, 1 in flight: against Node ws in memory", self.ratio("fanout", many, rate, "node-memory"), ">=", 1.25),
            self.bar(3, "50x20, 1 in flight: against FastAPI in memory", self.ratio("fanout", many, rate, "fastapi-memory"), ">=", 2),
            self.bar(3, "1x1000, 8 in flight: against Node ws in memory", self.ratio("fanout", eight, rate, "node-memory"), ">=", 3),
            self.bar(3, "1x1000, 1 in flight: p50 against Node ws with SQLite", self.ratio("fanout", one, "p50_ms", "node-sqlite"), "<=", 1),
            self.bar(3, "50x20, 1 in flight: p50 against Node ws with SQLite", self.ratio("fanout", many, "p50_ms", "node-sqlite"), "<=", 1),
            self.bar(4, "resident KiB per idle connection", own("idle", r"\d+", "rss_kib_per_connection"), "<=", 5),
            self.bar(4, "CPU while idle, % of a core", percent(own("idle", r"\d+", "idle_cpu_share")), "<", 1),
            self.bar(4, "connects/s against Node ws", self.ratio("idle", r"\d+", "connects_per_s", "node-memory"), ">=", 1),
            self.bar(5, "others' p99 with a stalled reader against without", own("stalled", stall, "p99_ratio"), "<", 1.1),
            self.bar(5, "server memory grows meanwhile, MiB", own("stalled", stall, growth_mib), "<=", 4),
            self.bar(5, "events the stalled reader never got", own("stalled", stall, "missing"), "<=", 0),
            self.bar(6, "clients without exactly what they missed", own("storm", r"\d+x100", "storm_wrong_clients"), "<=", 0),
            self.bar(6, "replayed messages/s, connects included", own("storm", r"\d+x100", "storm_per_s"), ">=", 500000),
            self.bar(7, "many senders: acked/s against the bare loop, same batch", own("durable", r"\d\d+ senders", "ratio_to_bare"), ">=", 0.5),
            self.bar(7, "one sender: p50 in commits of the bare loop", one_p50 * commit_ms / 1000 if one_p50 and commit_ms else None, "<=", 2),
        ]  # fmt: skip

    @staticmethod
    def bar(item, what, value, relation, limit):
        met = None
        if value is not None:
            met = {">=": value >= limit, "<=": value <= limit, "<": value < limit}[relation]
        return {"item": item, "what": what, "value": value, "bar": f"{relation} {limit:,}", "met": met}

    # ---- writing ----

    def sections(self):
        """(title, table) pairs."""
        for scenario, (_, columns) in COLUMNS.items():
            chosen = self.medians(scenario)
            if chosen:
                header = ["server", "shape", *(title for title, _, _ in columns), "ok"]
                rows = [
                    [who, where, *(number(value_of(key, f), digits) for _, key, digits in columns), self.verdict(f)]
                    for (who, where), f in chosen.items()
                ]
                yield scenario, table(header, rows)
        bars = self.bars()
        measured = [b for b in bars if b["met"] is not None]
        rows = [
            [str(b["item"]), b["what"], number(b["value"], 2), b["bar"], "met" if b["met"] else "MISSED"] for b in measured
        ]
        body = table(["item", "what", "value", "bar", "verdict"], rows) if rows else "None was measured."
        yield "bars", body + (f"\n\n{len(bars) - len(rows)} bars were not measured." if len(rows) < len(bars) else "")

    @staticmethod
    def verdict(figures):
        return "yes" if figures.get("ok") else "no: " + str(figures.get("first_error", "lost, doubled or out of order"))[:60]

    def text(self):
        heading = f"Benchmark of {self.when:%Y-%m-%d %H:%M} UTC, commit {self.commit}"
        machine = self.machine
        about = f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, Linux {machine['kernel']}"
        about += f", load {machine['load_average_before']:.2f} before. Server on one core, load generator on another."
        if self.quick:
            about += "\n**Quick run: sizes and times are too small for figures.**"
        parts = [f"# {heading}", about]
        for title, body in self.sections():
            parts += [f"## {title}", body]
        return "\n\n".join(parts) + "\n"

    def write(self, folder):
        """Writes the record as JSON and as Markdown; returns the paths."""
        folder.mkdir(exist_ok=True)
        base = folder / f"{self.when:%Y-%m-%d}-{self.commit}{'-quick' if self.quick else ''}"
        record = {
            "when": self.when.isoformat(timespec="seconds"),
            "commit": self.commit,
            "quick": self.quick,
            "machine": self.machine,
            "bars": self.bars(),
            "runs": self.runs,
        }
        paths = [base.with_suffix(".json"), base.with_suffix(".md")]
        paths[0].write_text(json.dumps(record, indent=1) + "\n")
        paths[1].write_text(self.text())
        return paths
