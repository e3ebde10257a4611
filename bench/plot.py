# SPDX-License-Identifier: BSD-3-Clause
"""An SVG of grouped bars on a log axis: how many times as good as the baseline each peer is."""

import math

PANELS = (
    ("a", "-", "p50_ns", "a: round trip, p50"),
    ("a", "-", "cpu_ns_per_trip", "a: CPU per round trip"),
    ("b", "16", "tasks_per_s", "b: tasks/s, 16 in flight"),
    ("b", "256", "tasks_per_s", "b: tasks/s, 256 in flight"),
    ("b", "4096", "tasks_per_s", "b: tasks/s, 4096 in flight"),
    ("c", "-", "wall_s", "c: a million calls, wall time"),
    ("crss", "-", "bytes_per_call", "c: memory per pending call"),
    ("d", "-", "posts_per_s", "d: posts to the loop"),
    ("e", "-", "p99_ns", "e: 1 ms timer, p99 lateness"),
)
PANELS_METRICS = (
    ("a", "p50_ns", ""),
    ("b", "tasks_per_s", ""),
    ("c", "wall_s", ""),
    ("crss", "bytes_per_call", ""),
    ("d", "posts_per_s", ""),
    ("e", "p99_ns", ""),
    ("f", "efficiency_pct", ""),
    ("t1", "ns_per_task", ""),
    ("t2", "ns_per_await", ""),
    ("t3", "ns_per_await", ""),
    ("t4", "ns_per_yield", ""),
    ("t5", "cpu_ns_per_sleeper", ""),
    ("t5", "bytes_per_sleeper", ""),
    ("t6", "p50_ns", ""),
    ("t7", "ns_per_coroutine", ""),
    ("t8", "ns_per_step", ""),
)
COLOURS = {"viaduct": "#1b6ca8", "go": "#e08e0b", "asio": "#6a994e", "glib": "#9c6ade", "cpython": "#b0413e"}
COLUMNS, PANEL_WIDTH, PANEL_HEIGHT = 3, 330, 230
LEFT, TOP, PLOT_WIDTH, PLOT_HEIGHT = 44, 34, 274, 150
LOW, HIGH = 0.003, 100
HEAD_HEIGHT = 64


def text(x, y, words, size=11, anchor="start", weight="normal", colour="#333"):
    words = words.replace("&", "&amp;").replace("<", "&lt;")
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" '
        f'fill="{colour}">{words}</text>'
    )


def height_of(factor):
    """Where a factor lies on the log axis, in pixels above its lower end."""
    clamped = min(max(factor, LOW), HIGH)
    return PLOT_HEIGHT * math.log(clamped / LOW) / math.log(HIGH / LOW)


def axis(x, y):
    parts = []
    for exponent in range(math.ceil(math.log10(LOW)), int(math.log10(HIGH)) + 1):
        factor = 10**exponent
        line_y = y + PLOT_HEIGHT - height_of(factor)
        colour, width = ("#333", 1.2) if exponent == 0 else ("#ddd", 0.7)
        parts.append(
            f'<line x1="{x}" y1="{line_y:.1f}" x2="{x + PLOT_WIDTH}" y2="{line_y:.1f}" stroke="{colour}" '
            f'stroke-width="{width}"/>'
        )
        parts.append(text(x - 5, line_y + 4, f"{factor:g}x", 10, "end"))
    return parts


def bar(x, y, width, factor, colour, label):
    zero = y + PLOT_HEIGHT - height_of(1)
    end = y + PLOT_HEIGHT - height_of(factor)
    top, height = min(zero, end), max(abs(end - zero), 0.5)
    drawn = (
        f'<rect x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}">'
        f"<title>{label}: {factor:.3g}x</title></rect>"
    )
    number_y = top - 2 if factor >= 1 else top + height + 8
    return [drawn, text(x + width / 2, number_y, f"{factor:.2g}", 7.5, "middle")]


def panel(x, y, medians, metrics, baseline, what):
    workload, param, metric, title = what
    more = metrics[metric][3]
    groups = sorted({key[2] for key in medians if key[0] == workload and key[3] == param and key[4] == metric})
    parts = [text(x, y + 18, title, 12, weight="bold")] + axis(x + LEFT, y + TOP)
    if not groups:
        return parts + [text(x + LEFT + PLOT_WIDTH / 2, y + TOP + 70, "not measured", 11, "middle")]
    group_width = PLOT_WIDTH / len(groups)
    width = min(group_width * 0.9 / len(COLOURS), 24)
    unit = "thread" if workload == "d" else "worker"
    for index, workers in enumerate(groups):
        start = x + LEFT + index * group_width + (group_width - width * len(COLOURS)) / 2
        base = medians.get((workload, baseline, workers, param, metric))
        for place, (peer, colour) in enumerate(COLOURS.items()):
            value = medians.get((workload, peer, workers, param, metric))
            if base and value and value > 0:
                factor = value / base if more else base / value
                parts += bar(start + place * width, y + TOP, width * 0.92, factor, colour, f"{peer}, {workers}")
        label = f"{workers} {unit}" + ("s" if workers > 1 else "")
        parts.append(text(x + LEFT + (index + 0.5) * group_width, y + TOP + PLOT_HEIGHT + 22, label, 10, "middle"))
    return parts


def draw(medians, metrics, baseline):
    rows = math.ceil(len(PANELS) / COLUMNS)
    width, height = COLUMNS * PANEL_WIDTH + 20, HEAD_HEIGHT + rows * PANEL_HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        text(12, 24, f"How many times as good as {baseline}, which is 1x (log scale, up is better)", 15, weight="bold"),
    ]
    for index, (peer, colour) in enumerate(COLOURS.items()):
        parts.append(f'<rect x="{12 + index * 100}" y="38" width="12" height="12" fill="{colour}"/>')
        parts.append(text(29 + index * 100, 48, peer))
    for index, what in enumerate(PANELS):
        x = 10 + index % COLUMNS * PANEL_WIDTH
        y = HEAD_HEIGHT + index // COLUMNS * PANEL_HEIGHT
        parts += panel(x, y, medians, metrics, baseline, what)
    return "\n".join(parts + ["</svg>"]) + "\n"
